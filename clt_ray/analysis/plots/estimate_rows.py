"""The layout of a forest plot: its panels, its lines with their names, and how its columns are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import pandas as pd

from clt_ray.analysis.labels import CURVE_COLUMNS, count_label, curve_labels, language_name
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.errors import ConfigurationError, Problem

Ticks = Literal["plain", "signed", "percent", "samples"]
"""How numbers on the axis are written: `samples` on a logarithmic axis that includes 0."""


@dataclass(frozen=True)
class Quantity:
    """How the values of one column are drawn."""

    label: str
    """What the axis measures."""
    unit: str
    factor: float = 1.0
    """Shown number per stored number."""
    reference: float | None = None
    """Shown value that means no difference, where a line is drawn; None for none."""
    ticks: Ticks = "plain"


_DIFFERENCES: Final = {
    "gain": "gain over n = 0",
    "gap": "seen − unseen",
    "change": "change of the gap",
    "difference": "languages − extra English",
    "interference": "mixed − single task",
}
"""Columns with differences in the unit of the row's metric -> their labels."""
_SHARES: Final = {
    "relative_to_english": Quantity("share of the English score", "%", 100.0, 100.0, "percent"),
    "fidelity": Quantity("answers in the right language", "%", 100.0, None, "percent"),
    "follow_rate": Quantity("follow rate", "gain per point of seen gain", reference=0.0),
    "spearman": Quantity("Spearman correlation", "seen with unseen", reference=0.0),
    "plateau": Quantity("plateau", "samples per language", ticks="samples"),
}


def quantity(table: pd.DataFrame, value: str) -> Quantity:
    """Returns how a column of a table with at most one metric is drawn; an unknown column is drawn as it is stored."""
    if value in _SHARES:
        return _SHARES[value]
    if value == "estimate" and "effect" not in table:
        return Quantity("Latin − other scripts", "points of 100 of each scale", 100.0, 0.0, "signed")
    if "metric" not in table:
        return Quantity(value.replace("_", " "), "as stored")
    row_metric = metric(str(table["metric"].iloc[0]))
    words = _DIFFERENCES.get(value)
    if value == "estimate":
        words = "Latin − other scripts" if (table["effect"] == "interaction").all() else "gain over n = 0"
    label = f"{row_metric.label}, {words or value.replace('_', ' ')}"
    shown = Quantity(label, row_metric.unit, row_metric.shown_factor)
    return replace(shown, reference=0.0, ticks="signed") if words else shown


Key = tuple[str, ...]
"""What the rows on one line have in common: the values of `_CURVE`, and of the columns that name rows."""
_CURVE: Final = ("model", "setting", "language_group", "train_languages")
MOST_LINES: Final = 90
"""A panel with more lines than this cannot be read at a glance and is refused."""
_NAMES: Final = (
    "task", "samples_per_language", "eval_language", "source", "target", "left_out", "effect",
    "script", "against", "control", "seed",
)  # fmt: skip
"""Columns that name rows within a curve if they vary."""
_LANGUAGES: Final = {"eval_language": "", "source": "from ", "target": "to ", "left_out": "without "}
"""Naming columns with languages -> the word before the language."""


@dataclass(frozen=True)
class Line:
    """A line of the figure with its name."""

    text: str
    key: Key | None
    """Key of the rows drawn on the line; None for a heading."""
    indented: bool = False
    """Whether the line belongs to a heading above it."""


@dataclass(frozen=True)
class Layout:
    """What a forest plot draws, and where."""

    value: str
    """Column of the estimates; the next two are those of the ends of their intervals."""
    low: str
    high: str
    has_samples: bool
    """Whether n is written beside each mark, because it varies but does not name the rows."""
    panels: list[tuple[str, pd.DataFrame]]
    """Title and rows of each panel; the rows are indexed as `keys`."""
    keys: pd.Series
    """The key of every row of the table."""
    lines: list[Line]
    """The lines of every panel from top to bottom."""


def fits(table: pd.DataFrame) -> bool:
    """Returns whether `plot_estimates` can draw the table: it has estimates, and at most `MOST_LINES` lines."""
    return bool(table[columns_of(table, None)[0]].notna().any()) and len(layout(table).lines) <= MOST_LINES


def layout(table: pd.DataFrame, value: str | None = None) -> Layout:
    """Returns the panels and lines of a forest plot.

    Raises:
        ConfigurationError: The table has no rows or no such column, or several rows would be drawn on the same spot.
    """
    value, low, high = columns_of(table, value)
    table = table[table[value].notna()].reset_index(drop=True)
    if table.empty:
        raise problem("table", None, "has no estimates to draw", "pass the rows of a measure")
    parts = panels_of(table)
    names = naming_columns([rows for _, rows in parts])
    shared = [name for name in (*_CURVE, *names) if name in table]
    keys = pd.Series(list(table[shared].astype(str).itertuples(index=False, name=None)), table.index)
    if any(pd.DataFrame({"key": keys, "mark": marks(table)}).loc[rows.index].duplicated().any() for _, rows in parts):
        raise problem("table", None, "has rows that differ only in their numbers", "pass the rows of one measure")
    n = "samples_per_language"
    has_samples = n in table and n not in names and table[n].nunique() > 1
    return Layout(value, low, high, has_samples, parts, keys, lines_of(table, keys, names))


def columns_of(table: pd.DataFrame, value: str | None) -> tuple[str, str, str]:
    """Returns the columns of estimates, lower and upper ends; without a value, estimates are in the one before `low`.

    Raises:
        ConfigurationError: The table has no such column.
    """
    names = list(table.columns)
    if value is None:
        candidates = names[: names.index("low")] if "low" in names else []
        value = next((name for name in reversed(candidates) if name not in ("p", "q", "n")), None)
        if value is None:
            message, remedy = "is missing, so the column of the estimates is unknown", "plot_estimates(table, 'score')"
            raise problem("table", "low", message, f"name it: {remedy}")
    if value not in names:
        raise problem("value", value, "is no column of the table", f"one of {', '.join(names)}")
    prefix = f"{value}_" if f"{value}_low" in names else ""
    return value, f"{prefix}low", f"{prefix}high"


def panels_of(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Returns the title and the rows of each panel; all rows of a panel have the same unit."""
    if "task" not in table:
        return [("All tasks", table)]
    pairs = "against" in table and "effect" not in table
    tasks = table.groupby(["task", "against"] if pairs else ["task"], sort=False)
    parts = sorted(tasks, key=lambda part: [task_order(str(task)) for task in part[0]])
    labels = ([task_label(str(task)) for task in key] for key, _ in parts)
    titles = (" − ".join(label.split()[0] for label in names) if pairs else names[0] for names in labels)
    return [(title, rows) for title, (_, rows) in zip(titles, parts, strict=True)]


def naming_columns(parts: Sequence[pd.DataFrame]) -> list[str]:
    """Returns the columns that name rows: those that vary within a panel; n and seed only where no other does."""
    names = [name for name in _NAMES if any(name in rows and rows[name].nunique() > 1 for rows in parts)]
    for name in ("samples_per_language", "seed"):
        others = [*CURVE_COLUMNS, "exposure", *(other for other in names if other != name)]
        if name in names and not any(rows.duplicated([key for key in others if key in rows]).any() for rows in parts):
            names.remove(name)
    return names


def marks(table: pd.DataFrame) -> pd.Series:
    """Returns the exposure of each row, which its mark shows; empty strings if the table has none."""
    return table["exposure"].astype(str) if "exposure" in table else pd.Series("", table.index)


def lines_of(table: pd.DataFrame, keys: pd.Series, names: Sequence[str]) -> list[Line]:
    """Returns the lines by curve in the table's order: a heading and its lines, or a single line without a heading."""
    has_curves = set(CURVE_COLUMNS) <= set(table.columns)
    labels = curve_labels(table) if has_curves else {}
    curves: dict[Key, dict[Key, str]] = {}
    for key, row in zip(keys, table.to_dict("records"), strict=True):
        curve = key[: len(key) - len(names)]
        text = ", ".join(filter(None, (_words(name, row[name]) for name in names)))
        curves.setdefault(curve, {})[key] = text
    lines: list[Line] = []
    several = len(curves) > 1
    has_headings = any(len(texts) > 1 for texts in curves.values())
    for curve, texts in curves.items():
        parts = ("mixed tasks" if part == "multi" else part for part in curve if part != "single")
        label = labels[curve] if has_curves else ", ".join(parts)
        if not has_headings:
            (key,) = texts
            lines.append(Line(label if several or not texts[key] else texts[key], key))
            continue
        if label and several:
            lines.append(Line(label, None))
        lines += [Line(text or label, key, indented=several) for key, text in texts.items()]
    return lines


def _words(name: str, value: Any) -> str:
    if name == "samples_per_language":
        return f"n = {count_label(int(value))}"
    if name in _LANGUAGES:
        return _LANGUAGES[name] + language_name(str(value))
    if name == "task":
        return task_label(str(value))
    if name == "against":
        return f"against {value}" if value else ""
    if name == "script":
        return {"Latin": "Latin script", "other": "other scripts"}.get(str(value), str(value))
    return str(value).replace("_", " ")


def problem(key: str, value: object, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem("plot_estimates", key, value, message, remedy)])
