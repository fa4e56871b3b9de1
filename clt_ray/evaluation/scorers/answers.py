"""Where a solution states its answer: the words that announce it, language by language.

An announcement is one of

* a *phrase*: a noun (`answer`), a few words at most, and a verb that links it to the value: `the final answer is`;
* a *label*: the noun with a colon (`Answer:`), or alone on its line as a heading;
* a *mark*: `####` before a number that ends the line, or a LaTeX box.

English ones count in every language, since models mix these in. A noun that is only looked for (`to find the
answer`, 答えを求める) announces nothing.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Announcement:
    """A place where a text says that its answer follows."""

    start: int
    """Index of its first character."""
    end: int
    """Index where the answer itself should follow."""
    kind: Literal["phrase", "label", "mark", "box"]
    """How it is announced."""


@dataclass(frozen=True)
class _Words:
    """The vocabulary of one language; each field is the alternatives of a pattern."""

    nouns: str
    """Nouns that a verb links to the value."""
    links: str
    """Verbs and particles that do so."""
    labels: str = ""
    """More nouns that announce with a colon only."""
    sought: str = ""
    """Words before a noun that is only looked for."""
    seeking: str = ""
    """Words after a noun that is only looked for."""
    remarks: str = ""
    """First words of a check or note that follows a conclusion."""


_WORDS = {
    "en": _Words("answer", "is|are|was|equals|would be|will be|should be|comes to|must be|becomes", "a",
                 "find|finding|get|obtain|calculate|determine|compute|reach|check|verify|confirm|give|provide|write",
                 "found by|obtained by|calculated by|given by|computed by|determined by|as follows|based on",
                 "check|double[ -]?check|verify|verification|confirm|proof|note(?= ?:)|explanation|reasoning"),
    "es": _Words("respuesta|resposta", "es|son|sería|será|serían|serán|sea", "r",
                 "encontrar|obtener|hallar|calcular|determinar|verificar|comprobar|dar", "se obtiene|se encuentra",
                 r"comprob\w*|verific\w*|nota(?= ?:)|explicación"),
    "fr": _Words("réponse", "est|sont|serait|sera|seraient|seront", "r",
                 "trouver|obtenir|calculer|déterminer|vérifier|donner", "s'obtient|se trouve",
                 r"vérifi\w*|remarque|explication|note(?= ?:)"),
    "de": _Words("antwort|lösung|endergebnis", "ist|lautet|beträgt|sind|wäre|betrüge", "a",
                 "zur", "zu finden|zu erhalten|zu bekommen|zu ermitteln|zu berechnen|finden|erhalten|ermitteln",
                 r"probe|(?:über)?prüf\w*|kontrolle|hinweis|erklärung|anmerkung"),
    "pt": _Words("resposta|respuesta", "é|são|seria|será|seriam|serão", "r",
                 "encontrar|obter|achar|calcular|determinar|verificar|dar", "",
                 r"verific\w*|conferi\w*|nota(?= ?:)|observação|explicação"),
    "ru": _Words("ответ|ответом|ответа", "равен|будет|является|составляет|составит|это|есть|таков", "",
                 r"найти|получить|получения|вычислить|определить|проверить|дать", "можно найти|найдём|найдем",
                 r"провер\w*|примечание|пояснение|объяснение"),
    "ja": _Words("答え|答|解答|回答|正解", "は|が", "解", "", "を|る|ら|よう|ます",
                 "検算|確認|確かめ|検証|注(?=:)|補足|説明"),
    "zh": _Words("答案", "是|为|為|等于|等於|应该是|應該是", "答|回答|解答", "", "需要|可以通过|的方法",
                 "验算|检验|验证|检查|驗算|檢驗|驗證|注意?(?=:)|解释|说明"),
    "ko": _Words("정답|답변|답안|해답|답", "은|는|이|가", "", "", "을|를|하",
                 "검산|확인|검증|참고|설명"),
    "ar": _Words("الإجابة|الاجابة|إجابة|اجابة|الجواب|جواب", "هي|هو|تساوي|تكون|يكون|يساوي|ستكون|سيكون", "",
                 "إيجاد|ايجاد|على|لمعرفة|حساب|من", "",
                 "(?:لل|ال)?تحق[قّ]|لنتحقق|ملاحظة|التفسير|الشرح|التوضيح"),
    "bn": _Words("উত্তরটি|উত্তর|জবাব", "হল|হলো|হ'ল|হবে|হচ্ছে|হয়|=", "", "", "পেতে|খুঁজে|বের|নির্ণয়|জানতে",
                 "যাচাই|পরীক্ষা|দ্রষ্টব্য|ব্যাখ্যা"),
    "sw": _Words("jibu|jawabu|majibu", "ni|litakuwa|itakuwa|lingekuwa", "",
                 "kupata|kutafuta|tupate|pata|kutoa|kukokotoa", "",
                 "uhakiki|kuthibitisha|kuhakiki|hakiki|thibitisha|maelezo"),
    "te": _Words("సమాధానం|జవాబు", "అంటే|ఇది|ఏమిటంటే|అవుతుంది", "", "", "కనుగొ|పొంద|తెలుసు",
                 "తనిఖీ|ధృవీకర|గమనిక|వివరణ"),
    "th": _Words("คำตอบ", "คือ|เป็น|เท่ากับ|ได้แก่", "ตอบ", "หา|ได้", "",
                 "ตรวจสอบ|ตรวจคำตอบ|หมายเหตุ|คำอธิบาย"),
}  # fmt: skip
_SPACED_ALPHABETS = ("en", "es", "fr", "de", "pt", "ru", "sw")
_BETWEEN = r"[^\d\n.,;:=。、!?।৷،]{0,50}?"
"""Words between the noun and the link: `the answer to this question is`."""
_NEAR = 60
"""Characters before a word in which what changes its meaning is looked for."""
_BOX = re.compile(r"(?:boxed|fbox)\s*\{")
_HASHES = re.compile(r"^[^\S\n]*####[^\S\n]*(?=[^\w\n]{0,4}(?!\d{1,2}[.)]\s)\d[^\n]{0,24}$)", re.MULTILINE)
_ABBREVIATIONS = ("approx", "aprox", "environ", "env", "ca", "bzw", "Rs", "Tk", "ungef", "Nr", "No", "прибл", "ок")
_SENTENCE_END = re.compile(
    "".join(rf"(?<!\b{word})" for word in _ABBREVIATIONS) + r"\.(?=[\s\"'”»)\]]|$)|[!?](?!\d)|[。।৷؟]"
)
_CONCLUSION = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"ดังนั้น|เพราะฉะนั้น|\b(?:Therefore|Thus|Hence|So|Por lo tanto|Entonces|Donc|Par conséquent|Daher|Somit|"
        r"Portanto|Следовательно|Таким образом|Итак|Kwa hivyo|Kwa hiyo)\b|したがって|よって|因此|所以|따라서|그러므로|"
        r"لذلك|وبالتالي|অতএব|সুতরাং|కాబట్టి",
    )
)
"""Words that begin a sentence even where no full stop ends the one before, as in Thai and after an equation."""
_NEGATION = {
    "en": (r"\bnot|n't|rather than|instead of", ""),
    "es": (r"\bno es|\bno|en (?:vez|lugar) de", ""),
    "fr": (r"\bpas|\bnon|au lieu de", ""),
    "de": (r"\bnicht|\bkein|statt|anstatt", ""),
    "pt": (r"\bnão é|\bnão|em vez de", ""),
    "ru": (r"(?<!\w)не|вместо", ""),
    "ja": ("", "では(?:な|あり)|じゃな"),
    "zh": ("不是|而非|并非|不等于", ""),
    "ko": ("", "[이가] ?아니"),
    "ar": ("ليست?|وليس|لا", ""),
    "bn": ("", "নয়|না,"),
    "sw": (r"\bsi|\bsio|badala ya", ""),
    "te": ("", "కాదు"),
    "th": ("ไม่ใช่", ""),
}
"""Words that deny a number: before it, after it."""
_QUESTIONS = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"^[^\w\n]*(?:question|problem|q|human|user|instruction|pregunta|problema|pergunta|frage|aufgabe|вопрос|задача|"
        r"問題|質問|问题|題目|题目|문제|질문|السؤال|سؤال|প্রশ্ন|swali|ప్రశ్న|คำถาม|โจทย์)\s*\d{0,3}\s*:",
    ),
    re.MULTILINE | re.IGNORECASE,
)


def announcements(text: str, language: str) -> list[Announcement]:
    """Every announcement of a text in NFKC, in order.

    Args:
        text: A solution that went through `numerals.simplified`.
        language: ISO code.
    """
    found = [Announcement(match.start(), match.end(), "box") for match in _BOX.finditer(text)]
    found += [Announcement(match.start(), match.end(), "mark") for match in _HASHES.finditer(text)]
    for code in dict.fromkeys((language, "en")):
        if code not in _WORDS:
            continue
        pattern, sought, seeking = _patterns(code)
        for match in pattern.finditer(text):
            words = match["words"] or ""
            if sought and sought.search(text, max(0, match.start() - _NEAR), match.start()):
                continue
            if seeking and (seeking.match(words) or seeking.match(text, match.end())):
                continue
            found.append(Announcement(match.start(), match.end(), "phrase" if match["phrase"] else "label"))
    return sorted(found, key=lambda announcement: announcement.end)


def negated(text: str, begin: int, start: int, end: int, language: str) -> bool:
    """Whether the number at `start` to `end` is one that the text from `begin` on says it is not."""
    before, after = (unicodedata.normalize("NFKC", words) for words in _NEGATION.get(language, ("", "")))
    for words in (before, _NEGATION["en"][0]):
        if words and re.search(rf"(?:{words})\s*[$€£¥₹]?\Z", text[max(begin, start - _NEAR) : start], re.IGNORECASE):
            return True
    return bool(after and re.match(rf"[^\d.,;。，!?।\n]{{0,10}}?(?:{after})", text[end:]))


def next_question(text: str) -> int:
    """Index of the first line that opens a question, or the end of the text."""
    match = _QUESTIONS.search(text)
    return match.start() if match else len(text)


def remarks(text: str, language: str, start: int) -> int:
    """Index of the first check, note or explanation at or after `start`, or the end of the text."""
    match = _remarks(language).search(text, start)
    return match.start() if match else len(text)


def sentence_end(text: str, start: int) -> int:
    """Index of the first end of a sentence at or after `start`, or the end of the text."""
    match = _SENTENCE_END.search(text, start)
    return match.start() if match else len(text)


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of every sentence; a line end ends one as well."""
    borders = {0, len(text)} | {match.end() for match in re.finditer(rf"{_SENTENCE_END.pattern}|\n", text)}
    borders |= {match.start() for match in _CONCLUSION.finditer(text)}
    return list(itertools.pairwise(sorted(borders)))


@functools.cache
def _patterns(code: str) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]:
    """Announcements of a language; words before and after a noun that is only looked for."""
    words = _WORDS[code]
    # Texts arrive in NFKC, which takes letters such as the Thai vowel am apart.
    nouns, links, labels, sought, seeking = (
        unicodedata.normalize("NFKC", field)
        for field in (words.nouns, words.links, words.labels, words.sought, words.seeking)
    )
    # A word border is known only where words are separated by spaces and letters need no marks.
    start, stop = (r"(?<!\w)", r"(?!\w)") if code in _SPACED_ALPHABETS else ("", "")
    noun = f"{start}(?:{nouns}){stop}"
    parts = [
        rf"{noun}(?P<phrase>(?P<words>{_BETWEEN}){start}(?:{links}){stop}[^\S\n]*[:=]?|(?=[^\S\n]*[$€£¥]?\d))",
        rf"^[^\w\n]*(?:[^\W\d]+ ){{0,2}}{noun}(?: [^\W\d]+)?[^\w\n]*\n",
        rf"{noun}[^\S\n]*(?:\([^()\n]{{0,20}}\))?{_BETWEEN}(?:\s?[:=]|\s[-—]\s)",
    ]
    if labels:
        # A single Latin letter is a label only where it opens a line.
        parts.append(rf"^[^\w\n]*(?:{labels})\s?:" if labels.isascii() else rf"(?:{labels})\s?:")
    pattern = "|".join(parts)
    before = rf"(?:{sought})\s?\Z"
    if code in _SPACED_ALPHABETS:
        before = rf"(?<!\w)(?:{sought})[^\S\n]+(?:\w+[^\S\n]+){{0,3}}\Z"
    return (
        re.compile(pattern, re.IGNORECASE | re.MULTILINE),
        re.compile(before, re.IGNORECASE) if sought else None,
        re.compile(rf"\s*(?:{seeking})", re.IGNORECASE) if seeking else None,
    )


@functools.cache
def _remarks(language: str) -> re.Pattern[str]:
    """A check is recognised where it is announced like a heading: `Check:`, `Let's verify the answer.`"""
    words = "|".join(_WORDS[code].remarks for code in dict.fromkeys((language, "en")) if code in _WORDS)
    opening = r"(?:^|(?<=[.!?。।৷]))[^\w\n]*(?:(?:let's|let us|let me|we can|to|vamos a|para|pour|zur|um) )?"
    return re.compile(
        rf"{opening}(?:{unicodedata.normalize('NFKC', words)})[^\n\d:.。=]{{0,30}}[:.。\n]",
        re.MULTILINE | re.IGNORECASE,
    )
