"""In which script a text is written, and whether that is the script of its language.

    >>> writing("Quantos livros tem a Ana?", "pt").share
    1.0
    >>> writing("How many books does Ana have now?", "ko").share
    0.0

It tells scripts apart, not languages: Portuguese in a Spanish file looks right here. Japanese and Chinese share
characters, so kana decide between them: a Japanese text of some length has some, a Chinese one has none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from clt_ray.languages import LATIN, language

READ_CHARACTERS = 400
"""Characters of a text that are looked at: enough to tell, and millions of texts are read."""
FEW_LETTERS = 20
"""A text with fewer letters (a bare number, a formula, a name) proves nothing about its language."""
WRONG_SCRIPT_SHARE = 0.2
"""A training row with a smaller share of letters in its language's script is left out. Well under one half, since
rows about code, foreign names and translations mix scripts for a reason."""
_MUCH_KANA = 0.1
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
"""A block of program code, which is in English in every language."""

_HAN = frozenset({"CJK", "IDEOGRAPHIC"})
_KANA = frozenset({"HIRAGANA", "KATAKANA"})
_NAMES = {LATIN: frozenset({"LATIN"}), "Han": _HAN, "Japanese": _HAN | _KANA}
"""Script -> first words of the Unicode names of its letters, where that is not the script's own name."""


@dataclass(frozen=True)
class Writing:
    """Letters of a text."""

    letters: int
    """All of them, digits and signs not counted."""
    in_script: int
    """Those in the script of the text's language."""

    @property
    def share(self) -> float:
        """Part of the letters in the script of the language; 1 for a text with too few letters to tell."""
        return self.in_script / self.letters if self.letters >= FEW_LETTERS else 1.0

    def __add__(self, other: Writing) -> Writing:
        return Writing(self.letters + other.letters, self.in_script + other.in_script)


def writing(text: str, code: str) -> Writing:
    """Letters of the start of a text, all and in the script of the language `code`; fenced program code is skipped.

    Raises:
        UnknownLanguageError: No such language.
    """
    script = language(code).script
    found: Counter[str] = Counter()
    for character, count in Counter(_FENCED.sub("", text)[:READ_CHARACTERS]).items():
        found[_script_of(character)] += count
    letters = found.total() - found[""]
    kana = sum(found[name] for name in _KANA)
    chinese_for_japanese = script == "Japanese" and letters >= FEW_LETTERS and kana == 0
    japanese_for_chinese = script == "Han" and kana > _MUCH_KANA * letters
    if chinese_for_japanese or japanese_for_chinese:
        return Writing(letters, 0)
    return Writing(letters, sum(found[name] for name in _NAMES.get(script, frozenset({script.upper()}))))


@lru_cache(maxsize=1 << 16)
def _script_of(character: str) -> str:
    """First word of a letter's Unicode name that names a script; empty for what is no letter."""
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "UNKNOWN")
    for width in ("FULLWIDTH ", "HALFWIDTH "):
        name = name.removeprefix(width)
    return name.replace("-", " ").partition(" ")[0]
