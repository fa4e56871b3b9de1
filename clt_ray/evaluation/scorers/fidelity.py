"""Checks line by line whether a text is in the language it should be in.

    >>> passes("La respuesta es 20.", "es"), passes("42", "ja"), passes("東京都千代田区永田町一丁目七番一号", "ja")
    (True, True, True)
    >>> passes("Claro.\\nThe answer to your question is twenty.", "es")
    False

The rule is the line-level pass rate of Marchisio et al. 2024 (arXiv 2406.20052): every line of five or more words must
be in the language. Two characters of Chinese, Japanese or Thai count as a word; numbers, code, addresses and
capitalised words (names) do not count. Two things differ from the paper. Scripts decide where they can. Where
languages share a script, the trigram models of the package lingua identify lines (0.2 ms each) instead of a fastText
model from the network. On short lines they are over-confident and prefer unlikely languages. Therefore a rival into
which models rarely drift has a small weight (`RARE`), and a doubtful line passes when the whole text does. A language
that lingua does not know (Hausa), or that is the only one of its script, is checked by script only.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import regex

from clt_ray.languages import LANGUAGES, built_in_and

MIN_WORDS = 5
"""Smallest number of words of a line that is checked; the threshold of Marchisio et al."""
DENSE_PER_WORD = 2
"""Number of characters that count as a word in scripts without spaces between words."""
IN_SCRIPT = 0.3
"""Smallest share of a line's words in the script of the language; quotations and terms may be in another script."""
MUCH_KANA = 0.1
"""Share of kana above which a line is Japanese and not Chinese."""
CHINESE_MARKS = 2
"""Number of Han characters typical of Chinese prose from which a line without kana is Chinese and not Japanese."""

LIKELY, UNLIKELY = 0.01, 1e-5
"""Probability of the language from which a line passes, and probability below which it fails in any text.

Set on messages of free software translated into 24 Latin-script languages, 300 lines each, of mostly 5 to 10 words
and full of foreign terms: docs/tasks/instruction.md has the rates."""
TEXT_LIKELY = 0.5
"""Probability of the language of the whole text from which a doubtful line passes."""
RARE = 0.01
"""Weight of a language as a rival that is not declared `common`, relative to a common one."""

_SKIPPED = regex.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`"
    r"|(?:https?://|www\.)\S+|\S+@\S+\.\w+"
    r"|</?[A-Za-z][^<>\n]*>"
    r"|\\\[.*?\\\]|\\\(.*?\\\)|\\[A-Za-z]+",
    regex.DOTALL,
)
"""Code, addresses, markup and formulas, which are left out."""

_CODE_SIGN = regex.compile(
    r"^\s*(?:\$ |>>> |#!|#include|import |from \w+ import|def |class |return |const |let |var |public |SELECT )"
    r"|[A-Za-z_]\w*\(|[{};]\s*$|==|=>|->|::|\+=|!=|&&|\|\||</|\w_\w|\w\.\w+\(|\w=\w|\s--?\w"
)
_CODE_SIGNS = 2
"""Number of signs of a programming language in a line from which it counts as code."""

_DENSE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}ー"
_WORD = regex.compile(
    rf"(?V1)[{_DENSE}][{_DENSE}\p{{M}}]*"
    rf"|[\p{{L}}--[{_DENSE}]][[\p{{L}}\p{{M}}]--[{_DENSE}]]*(?:['’][[\p{{L}}\p{{M}}]--[{_DENSE}]]+)*"
)
_DENSE_LETTER = regex.compile(f"[{_DENSE}]")
_IDENTIFIER = regex.compile(r"[!-~]*[0-9_/\\@=][!-~]*")

_SCRIPTS = {"Japanese": r"[\p{Han}\p{Hiragana}\p{Katakana}ー]"}
"""Script -> pattern of its letters, where Unicode has no script of that name."""
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HAN = regex.compile(r"\p{Han}")
_CHINESE = frozenset("的了是在不我你他她這這个個们們您很嗎吗呢吧沒没說说會会還还讓让給给為为")
"""Characters that are frequent in Chinese (simplified or traditional) and rare or absent in Japanese runs of kanji."""


def passes(text: str, language: str) -> bool:
    """Returns whether no line of a text is in another language.

    Raises:
        UnknownNameError: There is no such language.
    """
    script = LANGUAGES.require(language).script
    lines = [line for line in map(_words, _SKIPPED.sub(" ", text).splitlines()) if sum(map(_weight, line)) >= MIN_WORDS]
    if not all(_written_in(line, script) for line in lines):
        return False
    rivals = _rivals(language)
    if len(rivals) < 2 or language not in rivals:
        return True
    in_script = [" ".join(word for word in line if _letters(script).match(word)) for line in lines]
    chances = [_probability(line, language) for line in in_script]
    if all(chance >= LIKELY for chance in chances):
        return True
    return min(chances) >= UNLIKELY and _probability("\n".join(in_script), language) >= TEXT_LIKELY


def score(prediction: str, language: str) -> dict[str, float]:
    """Returns the `fidelity` of an output: 1 when it passes and is not empty, else 0."""
    return {"fidelity": float(bool(prediction.strip()) and passes(prediction, language))}


def _words(line: str) -> list[str]:
    """Returns the words of a line; runs of letters of one script where it has no spaces; none when the line is code."""
    if len(list(islice(_CODE_SIGN.finditer(line), _CODE_SIGNS))) == _CODE_SIGNS:
        return []
    return [match.group() for match in _WORD.finditer(_IDENTIFIER.sub(" ", line))]


def _weight(word: str) -> float:
    # Capitalised words may be names.
    if word[0].isupper():
        return 0.0
    return len(word) / DENSE_PER_WORD if _DENSE_LETTER.match(word) else 1.0


def _written_in(words: Sequence[str], script: str) -> bool:
    letters = _letters(script)
    of_script = [word for word in words if letters.match(word)]
    if sum(map(_weight, of_script)) < IN_SCRIPT * sum(map(_weight, words)):
        return False
    if script == "Japanese":
        return not _is_chinese("".join(of_script))
    return script != "Han" or _kana_share("".join(words)) <= MUCH_KANA


def _kana_share(letters: str) -> float:
    kana = len(_KANA.findall(letters))
    return kana / max(1, kana + len(_HAN.findall(letters)))


def _is_chinese(letters: str) -> bool:
    """Returns whether Han characters and kana cannot be Japanese.

    Japanese prose always has kana, but a list of names may consist of kanji. Such a line is Chinese only if it has
    simplified characters, or several of the characters that are typical of Chinese prose.
    """
    share = _kana_share(letters)
    if share:
        return share <= MUCH_KANA
    han = "".join(_HAN.findall(letters))
    try:
        han.encode("cp932")
    except UnicodeEncodeError:
        return True
    return sum(character in _CHINESE for character in han) >= CHINESE_MARKS


def _probability(line: str, code: str) -> float:
    """Returns the probability that a line is in a language rather than in another language of its script."""
    known = _lingua_codes()
    expected = others = 0.0
    for confidence in _detector(_rivals(code)).compute_language_confidence_values(line):
        rival = known[confidence.language]
        if rival == code:
            expected += confidence.value
        else:
            others += confidence.value * (1.0 if LANGUAGES[rival].common else RARE)
    return expected / (expected + others) if expected else 0.0


@cache
def _letters(script: str) -> Any:
    return regex.compile(_SCRIPTS.get(script, rf"\p{{{script}}}"))


@cache
def _rivals(code: str) -> tuple[str, ...]:
    known = set(_lingua_codes().values())
    script = LANGUAGES.require(code).script
    return tuple(entry.code for entry in built_in_and(code) if entry.script == script and entry.code in known)


@cache
def _detector(codes: tuple[str, ...]) -> Any:
    from lingua import LanguageDetectorBuilder

    languages = [identified for identified, code in _lingua_codes().items() if code in codes]
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()


@cache
def _lingua_codes() -> Mapping[Any, str]:
    from lingua import Language

    ours = {theirs: code for code, entry in LANGUAGES.items() for theirs in entry.identifier_codes or (code,)}
    codes = {identified: identified.iso_code_639_1.name.lower() for identified in Language.all()}
    return {identified: ours[code] for identified, code in codes.items() if code in ours}
