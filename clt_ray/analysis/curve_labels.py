"""Names of curves in figures and tables: short, and only as long as telling them apart needs."""

from __future__ import annotations

import pandas as pd

from clt_ray.analysis.display_order import language_list

CURVE_COLUMNS = ["model", "setting", "mixture", "language_group", "train_languages"]
"""Columns that tell curves of one task apart."""

Key = tuple[str, ...]


def curve_labels(frame: pd.DataFrame) -> dict[Key, str]:
    """A label for every distinct `CURVE_COLUMNS` of a table, in the table's order.

    A part is named only where it varies; one curve alone is named by its model and languages.

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
            parts.append(language_list(row["train_languages"].split("+")) if row["train_languages"] else "English only")
        labels[key_of(row)] = ", ".join(parts)  # type: ignore[arg-type]
    return _told_apart(labels)


def key_of(row: dict[str, str] | pd.Series) -> Key:
    """The curve that a table row belongs to."""
    return tuple(str(row[name]) for name in ("model", "setting", "language_group", "train_languages"))


def _told_apart(labels: dict[Key, str]) -> dict[Key, str]:
    """Labels with the group's name where two groups of equal languages would read the same."""
    seen = pd.Series(list(labels.values()))
    repeated = set(seen[seen.duplicated()])
    return {key: f"{label} ({key[2]})" if label in repeated else label for key, label in labels.items()}
