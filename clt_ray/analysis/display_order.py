"""Sort keys and short labels for models, languages and numbers of samples in tables and figures."""

import re
from collections.abc import Iterable

from clt_ray.languages import LANGUAGES, STUDY_LANGUAGES


def natural_sort_key(text: str) -> tuple[tuple[int, float, str], ...]:
    """Returns a sort key that compares runs of digits as numbers, so that model-8b precedes model-35b."""
    return tuple(
        (0, float(part), "") if part[0].isdigit() else (1, 0.0, part.lower())
        for part in re.findall(r"\d+(?:\.\d+)?|[^\d]+", text)
    )


def language_order(code: str) -> tuple[int, str]:
    """Returns a sort key: the reference study's languages in its order, then others by code."""
    return (STUDY_LANGUAGES.index(code) if code in STUDY_LANGUAGES else len(STUDY_LANGUAGES), code)


def language_name(code: str) -> str:
    """Returns the English name of a language, or its code where the language is not declared."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def language_list(codes: Iterable[str]) -> str:
    """Returns language codes in reading order, separated by spaces: `es fr ja zh`."""
    return " ".join(sorted(codes, key=language_order))


def count_label(samples: int) -> str:
    """Returns a number of samples in few characters: 400, 1k, 1.5k."""
    return f"{samples / 1000:g}k" if samples >= 1000 else str(samples)
