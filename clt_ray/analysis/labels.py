"""Labels and sort keys of models, languages, numbers of samples and curves in tables and figures."""

import re
from typing import Final

import pandas as pd

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


def training_label(train_languages: str) -> str:
    """Returns the training languages of a table row, joined by "+", as a label in reading order: `es fr ja zh`."""
    return " ".join(sorted(train_languages.split("+"), key=language_order)) if train_languages else "English only"


def count_label(samples: int) -> str:
    """Returns a number of samples in few characters: 400, 1k, 1.5k."""
    return f"{samples / 1000:g}k" if samples >= 1000 else str(samples)


CURVE_COLUMNS: Final = ["model", "setting", "mixture", "language_group", "train_languages"]
"""Columns that identify a curve within one task."""

Key = tuple[str, ...]
"""Model, setting, language group and training languages."""


def curve_labels(frame: pd.DataFrame) -> dict[Key, str]:
    """Returns a label for every distinct curve of a table, in the table's order.

    A label names the parts that vary within the table; a single curve is labelled with its model and languages.

    Args:
        frame: Table with the columns `CURVE_COLUMNS`.

    >>> rows = [["tiny", "single", "math", "latin", "es+fr"], ["tiny", "single", "math", "asia", "ja+zh"]]
    >>> table = pd.DataFrame(rows, columns=CURVE_COLUMNS)
    >>> list(curve_labels(table).values())
    ['es fr', 'ja zh']
    """
    rows = frame[CURVE_COLUMNS].drop_duplicates(["model", "setting", "language_group", "train_languages"])
    varies = {name: rows[name].nunique() > 1 for name in CURVE_COLUMNS}
    mixtures = rows.loc[rows["setting"] == "multi", "mixture"].nunique()
    labels = {}
    for row in rows.to_dict("records"):
        parts = []
        if varies["model"] or len(rows) == 1:
            parts.append(row["model"])
        if row["setting"] == "multi" and varies["setting"]:
            parts.append("mixed tasks" if mixtures < 2 else f"mixed {row['mixture']}")
        elif varies["setting"] and not varies["model"] and not varies["train_languages"]:
            parts.append("single task")
        if varies["train_languages"] or not parts:
            parts.append(training_label(row["train_languages"]))
        labels[key_of(row)] = ", ".join(parts)  # type: ignore[arg-type]
    texts = pd.Series(list(labels.values()))
    repeated = set(texts[texts.duplicated()])
    return {key: f"{label} ({key[2]})" if label in repeated else label for key, label in labels.items()}


def key_of(row: dict[str, str] | pd.Series) -> Key:
    """Returns the key of the curve to which a table row belongs."""
    return tuple(str(row[name]) for name in ("model", "setting", "language_group", "train_languages"))
