"""Sorting and naming the way people do."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clt_ray.languages import LANGUAGES, STUDY_LANGUAGES


def natural_sort_key(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sort key that compares runs of digits as numbers: model-8b before model-35b."""
    return tuple(
        (0, float(part), "") if part[0].isdigit() else (1, 0.0, part.lower())
        for part in re.findall(r"\d+(?:\.\d+)?|[^\d]+", text)
    )


def language_order(code: str) -> tuple[int, str]:
    """Sort key: the reference study's languages in its order, then others by code."""
    return (STUDY_LANGUAGES.index(code) if code in STUDY_LANGUAGES else len(STUDY_LANGUAGES), code)


def language_name(code: str) -> str:
    """English name, or the code itself where the language is not known."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def language_list(codes: Iterable[str]) -> str:
    """Language codes as the reader sees them: `es fr ja zh`."""
    return " ".join(sorted(codes, key=language_order))


def count_label(samples: int) -> str:
    """A number of samples in few characters: 400, 1k, 1.5k."""
    return f"{samples / 1000:g}k" if samples >= 1000 else str(samples)
