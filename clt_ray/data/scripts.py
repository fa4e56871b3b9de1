"""Measures the share of a text's letters that are in the script of its language.

    >>> writing("Quantos livros tem a Ana?", "pt").share, writing("How many books does Ana have now?", "ko").share
    (1.0, 0.0)

It distinguishes scripts, not languages. Japanese and Chinese share characters, so kana decide between them: a Japanese
text of some length has kana, a Chinese one has none.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from clt_ray.languages import LANGUAGES, LATIN

READ_CHARACTERS = 400
"""Number of characters of a text that are counted; they suffice, and millions of texts are read."""
FEW_LETTERS = 20
"""Smallest number of letters that decide. A text with fewer (a number, a formula, a name) shows no language."""
WRONG_SCRIPT_SHARE = 0.2
"""Smallest share of letters in the script of its language that a training row must have. It is well below one half,
since rows with code, foreign names and translations legitimately mix scripts."""
_MUCH_KANA = 0.1
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
"""A block of program code, which uses English words in every language."""

_HAN = frozenset({"CJK", "IDEOGRAPHIC"})
_KANA = frozenset({"HIRAGANA", "KATAKANA"})
_NAMES = {LATIN: frozenset({"LATIN"}), "Han": _HAN, "Japanese": _HAN | _KANA}
"""Script -> first words of the Unicode names of its letters, where that is not the script's own name."""


@dataclass(frozen=True)
class Writing:
    """Counts of the letters of a text."""

    letters: int
    """Number of letters, without digits and signs."""
    in_script: int
    """Number of letters in the script of the text's language."""

    @property
    def share(self) -> float:
        """Share of the letters in the script of the language; 1 for a text with too few letters."""
        return self.in_script / self.letters if self.letters >= FEW_LETTERS else 1.0

    def __add__(self, other: "Writing") -> "Writing":
        return Writing(self.letters + other.letters, self.in_script + other.in_script)


def writing(text: str, code: str) -> Writing:
    """Counts the letters at the start of a text without fenced program code, in total and in the script of a language.

    Raises:
        UnknownNameError: There is no such language.
    """
    script = LANGUAGES.require(code).script
    by_script: Counter[str] = Counter()
    for character, count in Counter(_FENCED.sub("", text)[:READ_CHARACTERS]).items():
        by_script[_script_of(character)] += count
    letters = by_script.total() - by_script[""]
    kana = sum(by_script[name] for name in _KANA)
    chinese_for_japanese = script == "Japanese" and letters >= FEW_LETTERS and kana == 0
    japanese_for_chinese = script == "Han" and kana > _MUCH_KANA * letters
    if chinese_for_japanese or japanese_for_chinese:
        return Writing(letters, 0)
    return Writing(letters, sum(by_script[name] for name in _NAMES.get(script, frozenset({script.upper()}))))


@lru_cache(maxsize=1 << 16)
def _script_of(character: str) -> str:
    """Returns the first word of a letter's Unicode name that names a script; empty for other characters."""
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "UNKNOWN").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    return name.replace("-", " ").partition(" ")[0]
