"""Words of the bundled corpus: one file per kind of word, with one line per concept that has all eight languages."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any

Concept = Mapping[str, str]
"""The forms of a concept in one language: feature -> form, for instance gender -> "f"."""

LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
"""The languages of every concept and every frame."""

KINDS = (
    "names", "things", "cities", "days", "buildings", "weather", "sports", "goods", "jobs",
    "animals", "places", "verbs", "times", "opposites", "kinds", "members",
)  # fmt: skip
"""Kinds of concepts; each has a file."""


@lru_cache(maxsize=64)
def read(name: str) -> Mapping[str, Any]:
    """Returns the content of a data file of this package, for instance `lexicon/cities.json`."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))


@lru_cache(maxsize=256)
def lexicon(kind: str, language: str) -> Mapping[str, Concept]:
    """Returns all concepts of a kind in one language by key, in the order of the file.

    A file names the features of each language's entries, with "*" for the languages it does not list. An entry has the
    forms in that order, separated by slashes: with the features word and gender, "manzanas/f".
    """
    file = read(f"lexicon/{kind}.json")
    features = file["features"].get(language) or file["features"]["*"]
    return {
        key: MappingProxyType(dict(zip(features, forms[language].split("/"), strict=True)))
        for key, forms in file["concepts"].items()
    }


@lru_cache(maxsize=1)
def opposites() -> Mapping[str, Mapping[str, Concept]]:
    """Returns language -> key -> word with its opposite; each pair has two keys, one per direction."""
    return {
        language: {
            f"{key}.{side}": MappingProxyType({"word": pair[side], "other": pair[back]})
            for key, pair in lexicon("opposites", language).items()
            for side, back in (("one", "other"), ("other", "one"))
        }
        for language in LANGUAGES
    }


def keys(kind: str) -> tuple[str, ...]:
    """Returns the keys of a kind of concept, which are the same for every language."""
    return tuple(opposites()["en"] if kind == "opposites" else read(f"lexicon/{kind}.json")["concepts"])


def concept(kind: str, key: str, language: str) -> Concept:
    """Returns a concept in one language."""
    return opposites()[language][key] if kind == "opposites" else lexicon(kind, language)[key]


def _positional(tens: int, ones: int, zero: str, digits: str, ten: str) -> str:
    if tens == ones == 0:
        return zero
    head = "" if tens == 0 else ten if tens == 1 else digits[tens - 1] + ten
    return head + (digits[ones - 1] if ones else "")


def _french(stem: str, tens: int, ones: int, small: list[str]) -> str:
    """Returns a French number; 70 to 79 are 60 plus 10 to 19, and 90 to 99 are 80 plus 10 to 19."""
    ones += 10 * (tens in (7, 9))
    if ones == 0:
        return f"{stem}s" if tens == 8 else stem
    return f"{stem} et {small[ones]}" if ones in (1, 11) and tens < 8 else f"{stem}-{small[ones]}"


@lru_cache(maxsize=1024)
def number_words(number: int, language: str) -> str:
    """Returns the number in words; raises `ValueError` if it is not within 0..99 or the corpus lacks the language."""
    if not 0 <= number <= 99:
        raise ValueError(f"number words go from 0 to 99, not {number}")
    if language not in LANGUAGES:
        raise ValueError(f"no number words for language {language!r}")
    tens, ones = divmod(number, 10)
    parts = read("lexicon/number_words.json")[language]
    if "digits" in parts:
        return _positional(tens, ones, **parts)
    small: list[str] = [word.replace("_", " ") for word in parts["small"].split()]
    if number < len(small):
        return small[number]
    stem = parts["tens"].split()[tens - 2]
    if language == "fr":
        return _french(stem, tens, ones, small)
    if ones == 0:
        return str(stem)
    # In Arabic the ones come before the tens.
    joint = {"en": "{tens}-{ones}", "es": "{tens} y {ones}", "pt": "{tens} e {ones}", "ar": "{ones} و{tens}"}
    return joint[language].format(tens=stem, ones=small[ones])
