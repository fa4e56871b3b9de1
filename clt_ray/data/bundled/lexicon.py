"""Words of the bundled corpus: one file per kind of word, one line per concept, all eight languages on that line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any

Concept = Mapping[str, str]
"""What the grammar may ask of a concept in one language: feature -> form, such as gender -> "f"."""

LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
"""Languages every concept and every frame is written in."""

KINDS = (
    "names", "things", "cities", "days", "buildings", "weather", "sports", "goods", "jobs",
    "animals", "places", "verbs", "times", "opposites", "kinds", "members",
)  # fmt: skip
"""Kinds of concepts, each a file."""


@lru_cache(maxsize=64)
def read(name: str) -> Mapping[str, Any]:
    """Content of one data file of this package, such as `lexicon/cities.json`."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    content: Mapping[str, Any] = MappingProxyType(json.loads(text))
    return content


@lru_cache(maxsize=256)
def lexicon(kind: str, language: str) -> Mapping[str, Concept]:
    """All concepts of a kind in one language, by key, in the order of the file.

    A file names the features of each language's entries ("*" for those it does not list); an entry is the
    forms in that order, separated by slashes: with features word and gender, "manzanas/f".
    """
    file = read(f"lexicon/{kind}.json")
    features = file["features"].get(language) or file["features"]["*"]
    return {
        key: MappingProxyType(dict(zip(features, forms[language].split("/"), strict=True)))
        for key, forms in file["concepts"].items()
    }


@lru_cache(maxsize=1)
def opposites() -> Mapping[str, Mapping[str, Concept]]:
    """Language -> key -> word with its opposite; each pair gives two keys, one for either direction."""
    return {
        language: {
            f"{key}.{side}": MappingProxyType({"word": pair[side], "other": pair[back]})
            for key, pair in lexicon("opposites", language).items()
            for side, back in (("one", "other"), ("other", "one"))
        }
        for language in LANGUAGES
    }


def keys(kind: str) -> tuple[str, ...]:
    """Keys of a kind of concept, the same for every language."""
    if kind == "opposites":
        return tuple(opposites()["en"])
    return tuple(read(f"lexicon/{kind}.json")["concepts"])


def concept(kind: str, key: str, language: str) -> Concept:
    """One concept in one language."""
    if kind == "opposites":
        return opposites()[language][key]
    return lexicon(kind, language)[key]
