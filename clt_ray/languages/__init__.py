"""Languages by ISO 639-1 code: one declaration for each, read by every part of the package.

    LANGUAGES["es"].script      # Latin
    list(LANGUAGES)             # those of the reference study first, then the others, then those of plug-ins by code

Another package adds a language through an entry point of the group `clt_ray.languages`; docs/extend.md has a recipe.
"""

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

from pydantic import TypeAdapter

from clt_ray.languages.declaration import Answers, Language, Numbers
from clt_ray.plugins import Registry
from clt_ray.suggest import nearest

__all__ = [
    "ENGLISH", "LANGUAGES", "LATIN", "STUDY_LANGUAGES", "Answers", "Language", "Numbers", "built_in_and", "is_latin",
    "nearest_language",
]  # fmt: skip

ENGLISH = "en"

LATIN = "Latin"

STUDY_LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
"""The evaluation languages of arXiv 2504.16677: English, those that it trains on, and those that it does not."""

_MGSM_LANGUAGES = ("bn", "de", "ru", "sw", "te", "th")
"""Languages of MGSM beyond those of the study."""


def is_latin(code: str) -> bool:
    """Whether the language is written in the Latin script.

    Raises:
        UnknownNameError: There is no such language.
    """
    return LANGUAGES.require(code).script == LATIN


def built_in_and(code: str) -> Iterator[Language]:
    """Yields the built-in languages and the one with this code.

    Rules that look at all languages use these, so that a plug-in for one language changes no score of another.
    """
    yield from LANGUAGES.built_in.values()
    if code not in LANGUAGES.built_in and code in LANGUAGES:
        yield LANGUAGES[code]


def nearest_language(text: str) -> str | None:
    """Returns the code of the language that `text` most likely means: a name, a regional or country code, a typo."""
    written = text.strip().lower()
    base = written.replace("_", "-").split("-")[0]
    by_alias = {alias: known.code for known in LANGUAGES.values() for alias in known.aliases}
    for guess in (written, base, by_alias.get(base)):
        if guess in LANGUAGES:
            return guess
    # The first three letters stand for three-letter codes: spa and por are the starts of the English names.
    names = {known.code: (known.name, known.native_name, known.name[:3]) for known in LANGUAGES.values()}
    by_name = {name.lower(): code for code, spellings in names.items() for name in spellings}
    name = nearest(written, by_name, cutoff=0.6)
    return by_name[name] if name else nearest(written, LANGUAGES)


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


_TABLES = [*map(_table, (*STUDY_LANGUAGES, *_MGSM_LANGUAGES)), *_table("others")["languages"]]

LANGUAGES: Registry[Language] = Registry(
    "clt_ray.languages", Language, TypeAdapter(tuple[Language, ...]).validate_python(_TABLES),
    key="code", closest=lambda text, _: nearest_language(text),
)  # fmt: skip
"""All known languages by code, those of the reference study first."""
