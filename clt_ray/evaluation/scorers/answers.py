"""Where a solution states its answer: the words that announce it, language by language.

An announcement is a noun (`answer`), a few words at most, and what links it to the value (`is`, a colon). English ones
count in every language, as do `#### 8` and a LaTeX box, since models mix these in.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata

_NOUNS_AND_LINKS = {
    "en": ("answer", "is|are|was|equals|would be|will be"),
    "es": ("respuesta|resposta", "es|son|sería|será"),
    "fr": ("réponse", "est|sont|serait|sera"),
    "de": ("antwort|lösung", "ist|lautet|beträgt|sind|wäre"),
    "pt": ("resposta|respuesta", "é|são|seria|será"),
    "ru": ("ответ|ответом|ответа", "равен|будет|является|составляет|это|есть|-|—"),
    "ja": ("答え|答|解答|回答", "は|が"),
    "zh": ("答案|答", "是|为|為|等于|等於"),
    "ko": ("정답|답변|답안|답", "은|는|이|가"),
    "ar": ("الإجابة|الاجابة|إجابة|الجواب|جواب", "هي|هو|تساوي|تكون|يساوي"),
    "bn": ("উত্তরটি|উত্তর", "হল|হলো|হ'ল|হবে|হচ্ছে"),
    "sw": ("jibu|jawabu", "ni|litakuwa|itakuwa"),
    "te": ("సమాధానం|జవాబు", "అంటే|ఇది"),
    "th": ("คำตอบ", "คือ|เป็น|เท่ากับ"),
}
_SPACED_ALPHABETS = ("en", "es", "fr", "de", "pt", "ru", "sw")
_BETWEEN = r"[^\d\n.:=。!?।৷]{0,60}?"
"""Words between the noun and the link: `the answer to this question is`."""
_MARKERS = r"####|boxed\s*\{"
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？।৷؟]")


@functools.cache
def announcement(language: str) -> re.Pattern[str]:
    """Matches up to the point where the answer itself should follow."""
    parts = [_MARKERS]
    for code in dict.fromkeys((language, "en")):
        if code in _NOUNS_AND_LINKS:
            # Texts arrive in NFKC, which takes letters such as the Thai vowel am apart.
            nouns, links = (unicodedata.normalize("NFKC", words) for words in _NOUNS_AND_LINKS[code])
            # A word border is known only where words are separated by spaces and letters need no marks.
            start, stop = (r"(?<!\w)", r"(?!\w)") if code in _SPACED_ALPHABETS else ("", "")
            link = rf"{start}(?:{links}){stop}\s*[:=]?|[:=]"
            parts.append(rf"{start}(?:{nouns}){stop}(?:{_BETWEEN}(?:{link})|(?=\s*\d))")
    return re.compile("|".join(parts), re.IGNORECASE)


def sentence_end(text: str, start: int) -> int:
    """Index of the first end of a sentence at or after `start`, or the end of the text."""
    match = _SENTENCE_END.search(text, start)
    return match.start() if match else len(text)


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of every sentence; a line end ends one as well."""
    borders = [0]
    for match in re.finditer(rf"{_SENTENCE_END.pattern}|\n", text):
        borders.append(match.end())
    borders.append(len(text))
    return [(start, end) for start, end in itertools.pairwise(borders) if end > start]
