"""Labels of curves in figures and tables, which contain only the parts in which the curves differ."""

from typing import Final

import pandas as pd

from clt_ray.analysis.display_order import language_list

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
            languages = language_list(row["train_languages"].split("+")) if row["train_languages"] else "English only"
            parts.append(languages)
        labels[key_of(row)] = ", ".join(parts)  # type: ignore[arg-type]
    return _distinct(labels)


def key_of(row: dict[str, str] | pd.Series) -> Key:
    """Returns the key of the curve to which a table row belongs."""
    return tuple(str(row[name]) for name in ("model", "setting", "language_group", "train_languages"))


def _distinct(labels: dict[Key, str]) -> dict[Key, str]:
    texts = pd.Series(list(labels.values()))
    repeated = set(texts[texts.duplicated()])
    return {key: f"{label} ({key[2]})" if label in repeated else label for key, label in labels.items()}
