"""Porter's stemmer for English, in the variant that published ROUGE scores use.

M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the corrections on its author's page and
the departures that NLTK made the default and the rouge-score package took over: irregular words, and kinder
treatment of short words in -ies, -ied and -y. Written out here because importing NLTK costs a second per process.

A word is seen as [C](VC)^m[V], runs of consonants C and vowels V; m is its *measure*. Most rules drop a suffix only
if what stays in front of it has a measure above a bound, and the first suffix that matches decides.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

_IRREGULAR = {
    "skies": "sky", "sky": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news",
    "innings": "inning", "inning": "inning", "outings": "outing", "outing": "outing",
    "cannings": "canning", "canning": "canning", "howe": "howe",
    "proceed": "proceed", "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip

# Suffixes that stand for another, replaced where the measure before them is above 0 (steps 2 and 3).
_DERIVED = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"),
    ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"),
)  # fmt: skip
_FURTHER_DERIVED = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
# Suffixes dropped where the measure before them is above 1 (step 4), in the order they are tried.
_PLAIN = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate",
    "iti", "ous", "ive", "ize",
)  # fmt: skip


@functools.lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of a lower-case word.

    Args:
        word: Letters a-z and digits, which count as consonants.
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _past_and_progressive(_plural(word))
    # -y after a consonant that is not the first letter.
    if word.endswith("y") and len(word) > 2 and _shape(word)[-2] == "c":
        word = word[:-1] + "i"
    word = _replace_derived(word)
    word = _replace(word, _FURTHER_DERIVED)
    word = _drop_plain(word)
    return _tidy_end(word)


def _shape(word: str) -> str:
    """`c` or `v` for each letter; y is a consonant at the start and after a vowel."""
    shape = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and shape.endswith("c"))
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    return len(re.findall("v+c+", _shape(word)))


def _ends_short(word: str) -> bool:
    """Consonant, vowel, consonant other than w, x, y; or just vowel, consonant."""
    shape = _shape(word)
    return (shape.endswith("cvc") and word[-1] not in "wxy") or shape == "vc"


def _plural(word: str) -> str:
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past_and_progressive(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        front = word.removesuffix(suffix)
        if front != word and "v" in _shape(front):
            break
    else:
        return word
    if front.endswith(("at", "bl", "iz")):
        return front + "e"
    if len(front) >= 2 and front[-1] == front[-2] and _shape(front)[-1] == "c":
        return front if front[-1] in "lsz" else front[:-1]
    return front + "e" if _measure(front) == 1 and _ends_short(front) else front


def _replace_derived(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        return _replace_derived(word[:-2])
    replaced = _replace(word, _DERIVED)
    # The l of -logi counts towards the measure.
    if replaced == word and word.endswith("logi") and _measure(word[:-3]) > 0:
        return word[:-1]
    return replaced


def _replace(word: str, rules: Sequence[tuple[str, str]]) -> str:
    for suffix, replacement in rules:
        if word.endswith(suffix):
            front = word.removesuffix(suffix)
            return front + replacement if _measure(front) > 0 else word
    return word


def _drop_plain(word: str) -> str:
    for suffix in _PLAIN:
        front = word.removesuffix(suffix)
        if front == word or (suffix == "ion" and not front.endswith(("s", "t"))):
            continue
        return front if _measure(front) > 1 else word
    return word


def _tidy_end(word: str) -> str:
    if word.endswith("e"):
        front = word[:-1]
        measure = _measure(front)
        if measure > 1 or (measure == 1 and not _ends_short(front)):
            word = front
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
