"""Which lines a forest plot has: panels, the names of its rows, the columns that it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.curve_labels import CURVE_COLUMNS, curve_labels, key_of
from clt_ray.analysis.display_order import count_label, language_name
from clt_ray.analysis.metrics import task_label, task_order
from clt_ray.analysis.plots.quantities import MEASURES
from clt_ray.errors import ConfigurationError, Problem

Key = tuple[str, ...]
"""The curve of a row, then the columns that name it."""

MOST_LINES: Final = 90
"""Lines of a panel beyond which a figure is no longer read but searched."""
_NAMES: Final = (
    "task", "measure", "term", "samples_per_language", "eval_language", "source", "target", "left_out", "effect",
    "script", "against", "control", "seed",
)  # fmt: skip
"""Columns that name rows within a curve, where they vary."""
_TERMS: Final = {
    "neither": "shares neither script nor family",
    "script": "shares the script: more by",
    "family": "shares the family: more by",
}
_SETTINGS: Final = {"multi": "mixed tasks"}


@dataclass(frozen=True)
class Columns:
    """Which columns of the table are drawn."""

    value: str
    low: str
    high: str
    samples: str = ""
    """Written beside each mark; empty when rows are named by it or it is the same everywhere."""


@dataclass(frozen=True)
class Line:
    """One line of the figure; a heading has no key."""

    text: str
    key: Key | None
    indented: bool = False


@dataclass(frozen=True)
class Layout:
    """What stands where."""

    columns: Columns
    panels: list[tuple[str, pd.DataFrame]]
    """Titles and rows, which are indexed as `keys`."""
    keys: pd.Series
    """Of every row of the table."""
    lines: list[Line]


def fits(table: pd.DataFrame, value: str | None = None) -> bool:
    """Whether `plot_estimates` can draw the table: there are estimates, and not more lines than one can read."""
    columns = columns_of(table, value)
    return bool(table[columns.value].notna().any()) and len(layout(table, value).lines) <= MOST_LINES


def layout(table: pd.DataFrame, value: str | None = None) -> Layout:
    """Panels and lines of a forest plot.

    Raises:
        ConfigurationError: No rows, no such column, or rows that would lie on top of each other.
    """
    columns = columns_of(table, value)
    table = table[table[columns.value].notna()].reset_index(drop=True)
    if table.empty:
        raise problem("table", None, "has no estimates to draw", "give it rows of a measure")
    parts = panels_of(table)
    names = telling_apart([rows for _, rows in parts])
    keys = table.apply(lambda row: row_key(row, names), axis=1)
    if any(pd.DataFrame({"key": keys, "mark": marks(table)}).loc[rows.index].duplicated().any() for _, rows in parts):
        raise problem("table", None, "has rows that only their numbers tell apart", "give it rows of one measure")
    return Layout(replace(columns, samples=beside(table, names)), parts, keys, lines_of(table, keys, names))


def columns_of(table: pd.DataFrame, value: str | None) -> Columns:
    """The columns to draw, by the convention of the tables where no value is named."""
    names = list(table.columns)
    if value is None:
        before = names[: names.index("low")] if "low" in names else []
        value = next((name for name in reversed(before) if name not in ("p", "q", "n")), None)
        if value is None:
            raise problem("table", "low", "is missing, so it is not known which column holds the estimates",
                           "name it: plot_estimates(table, 'score')")  # fmt: skip
    if value not in names:
        raise problem("value", value, "is no column of the table", f"one of {', '.join(names)}")
    own = f"{value}_low" in names
    return Columns(value, f"{value}_low" if own else "low", f"{value}_high" if own else "high")


def panels_of(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Titles and rows; a panel has one unit."""
    if "measure" in table:
        return [(MEASURES.get(str(name), str(name)), rows) for name, rows in table.groupby("measure", sort=False)]
    if "task" not in table:
        return [("All tasks", table)]
    pairs = "against" in table and "effect" not in table
    found = []
    for key, rows in table.groupby(["task", "against"] if pairs else ["task"], sort=False):
        title = " − ".join(task_label(str(task)).split()[0] for task in key) if pairs else task_label(str(key[0]))
        found.append((tuple(map(task_order, map(str, key))), title, rows))
    return [(title, rows) for _, title, rows in sorted(found, key=lambda each: each[0])]


def telling_apart(parts: Sequence[pd.DataFrame]) -> list[str]:
    """Columns that name rows: those that vary within a panel; n and seed only where rows differ in nothing else."""
    names = [name for name in _NAMES if any(name in rows and rows[name].nunique() > 1 for rows in parts)]
    for name in ("samples_per_language", "seed"):
        rest = [*CURVE_COLUMNS, "exposure", *(other for other in names if other != name)]
        if name in names and not any(rows.duplicated([key for key in rest if key in rows]).any() for rows in parts):
            names.remove(name)
    return names


def beside(table: pd.DataFrame, names: Sequence[str]) -> str:
    """The column of n, where it varies but names no row."""
    name = "samples_per_language"
    return name if name in table and name not in names and table[name].nunique() > 1 else ""


def marks(table: pd.DataFrame) -> pd.Series:
    """Exposure of each row, which its mark shows; empty without."""
    return table["exposure"].astype(str) if "exposure" in table else pd.Series("", table.index)


def row_key(row: pd.Series, names: Sequence[str]) -> Key:
    """What rows on one line have in common: the curve, then the names."""
    curve = key_of(row) if set(CURVE_COLUMNS) <= set(row.index) else _partial(row)
    return (*curve, *(str(row[name]) for name in names))


def _partial(row: pd.Series) -> Key:
    """A curve by what the table says of it."""
    return tuple(str(row[name]) for name in ("model", "setting", "language_group", "train_languages") if name in row)


def lines_of(table: pd.DataFrame, keys: pd.Series, names: Sequence[str]) -> list[Line]:
    """Curves in the table's order, each as a heading of its lines, or as the line itself where it has one."""
    whole = set(CURVE_COLUMNS) <= set(table.columns)
    labels = curve_labels(table) if whole else {}
    curves: dict[Key, dict[Key, str]] = {}
    for key, row in zip(keys, table.to_dict("records"), strict=True):
        curve = key[: len(key) - len(names)]
        text = ", ".join(filter(None, (_words(name, row[name]) for name in names)))
        curves.setdefault(curve, {})[key] = text
    found: list[Line] = []
    split = any(len(own) > 1 for own in curves.values())
    for curve, own in curves.items():
        label = labels[curve] if whole else ", ".join(_SETTINGS.get(part, part) for part in curve if part != "single")
        if not split:
            (key,) = own
            found.append(Line(label if len(curves) > 1 or not own[key] else own[key], key))
            continue
        if label and len(curves) > 1:
            found.append(Line(label, None))
        found += [Line(text or label, key, indented=len(curves) > 1) for key, text in own.items()]
    return found


def _words(name: str, value: Any) -> str:
    if name == "samples_per_language":
        return f"n = {count_label(int(value))}"
    if name in ("eval_language", "source", "target"):
        return f"{'from ' * (name == 'source')}{'to ' * (name == 'target')}{language_name(str(value))}"
    if name == "task":
        return task_label(str(value))
    if name == "left_out":
        return f"without {language_name(str(value))}"
    if name == "against":
        return f"against {value}" if value else ""
    if name == "script":
        return {"Latin": "Latin script", "other": "other scripts"}.get(str(value), str(value))
    if name == "measure":
        return ""
    return _TERMS.get(str(value), str(value).replace("_", " "))


def problem(key: str, value: object, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem("plot_estimates", key, value, message, remedy)])
