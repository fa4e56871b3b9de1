"""Cells and columns of the page's tables, and tables declared by their columns.

A measure's table is declared once, for instance `TableSpec("noise", (*CURVE, Q))`;
`TableSpec.of(frame)` is the `Table` that the template lays out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clt_ray.analysis.labels import language_list, natural_sort_key
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.table_columns import FALSE_DISCOVERY_RATE
from clt_ray.html_report.text import NOTHING, number, p_value, words_of
from clt_ray.tasks import Metric


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    sort: float | str
    """Key by which a reader sorts the column."""
    note: str = ""
    """Second line in small type, for instance an interval."""
    strong: bool = False
    """Whether the text is set in bold."""
    numeric: bool = False
    """Whether the cell is aligned to the right."""
    code: bool = False
    """Whether the text is set in a fixed-width face, as run ids are."""
    link: str = ""
    """Address that the text links to; empty for none."""
    heat: float | None = None
    """Tint of the background from -1 to 1; None for none."""


MISSING: Final = Cell(NOTHING, -np.inf, numeric=True)
"""Shown where there is no number; sorted before all numbers."""


@dataclass(frozen=True)
class NumberFormat:
    """How a stored number is shown."""

    digits: int = 2
    factor: float = 1.0
    """Shown number per stored number, for instance 100 for points of a fraction."""
    signed: bool = False
    """Whether positive numbers carry a plus sign."""

    @classmethod
    def of(cls, metric: Metric, *, signed: bool = False) -> NumberFormat:
        """Returns the format of a metric's scores, or with a sign, of their differences."""
        return cls(metric.digits, metric.shown_factor, signed)

    def text(self, value: float) -> str:
        return number(value * self.factor, self.digits, signed=self.signed)

    def interval(self, low: float, high: float) -> str:
        """Returns the two ends of an interval, or nothing where the interval is not known."""
        if not np.isfinite(low):
            return ""
        return f"{number(low * self.factor, self.digits)} to {number(high * self.factor, self.digits)}"


def text_cell(value: str, sort: float | str | None = None) -> Cell:
    """Returns a cell of text, sorted by `sort` or else by the text without regard to case."""
    return Cell(value, value.lower() if sort is None else sort)


def count_cell(value: int) -> Cell:
    return Cell(f"{value:,}", float(value), numeric=True)


def number_cell(value: float, shape: NumberFormat) -> Cell:
    return Cell(shape.text(value), value * shape.factor if np.isfinite(value) else -np.inf, numeric=True)


def estimate_cell(value: float, interval: tuple[float, float], shape: NumberFormat, *, strong: bool = False) -> Cell:
    """Returns a stored number with its stored interval, which is not a number where unknown, on a second line."""
    return replace(number_cell(value, shape), note=shape.interval(*interval), strong=strong)


def q_cell(q: float) -> Cell:
    """Returns an adjusted p value; unknown ones are sorted last."""
    return Cell(p_value(q), q if np.isfinite(q) else np.inf, numeric=True)


Row: TypeAlias = Mapping[Any, Any]
"""A row of a measure's data frame, by column name."""


@dataclass(frozen=True)
class Table:
    """A table as the template lays it out."""

    name: str
    """Its CSV file is `tables/<name>.csv`; empty where there is none."""
    title: str
    """Heading, which is also the summary of a collapsed table."""
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Column:
    """A column: its head, and the cell that it makes from a row."""

    head: str
    cell: Callable[[Row], Cell]


@dataclass(frozen=True)
class TableSpec:
    """The declaration of a table with one row per row of a measure's frame; `words.yaml` has its title and caption."""

    name: str
    columns: tuple[Column, ...]

    def of(self, frame: pd.DataFrame) -> Table:
        """Returns the table of a data frame; an empty one has no rows."""
        title, caption, bold = words_of("tables", self.name)
        caption += f" Bold: {bold}." if bold else ""
        rows = tuple(tuple(column.cell(row) for column in self.columns) for row in frame.to_dict("records"))
        return Table(self.name, title, caption, tuple(column.head for column in self.columns), rows)


def excludes_zero(row: Row, low: str = "low", high: str = "high") -> bool:
    """Returns whether the interval excludes zero; an unknown interval does not."""
    return bool(row[low] > 0 or row[high] < 0)


def is_discovery(row: Row) -> bool:
    """Returns whether the row's adjusted p value is below the accepted share of false discoveries."""
    return bool(row["q"] < FALSE_DISCOVERY_RATE)


def task_cell(task: str) -> Cell:
    return text_cell(task_label(task), task_order(task)[0])


def languages_cell(train_languages: str) -> Cell:
    """Returns the languages of a `train_languages` entry such as `es+fr`."""
    return text_cell(language_list(train_languages.split("+")) if train_languages else "English only")


def words(head: str, name: str) -> Column:
    return Column(head, lambda row: text_cell(str(row[name])))


def numbers(head: str, name: str, shape: NumberFormat) -> Column:
    return Column(head, lambda row: number_cell(row[name], shape))


def counts(head: str, name: str) -> Column:
    return Column(head, lambda row: count_cell(round(row[name])))


def estimates(
    head: str, name: str, shape: NumberFormat, prefix: str = "", bold: Callable[[Row], bool] | None = None
) -> Column:
    """Returns a column of estimates with the intervals in `<prefix>low` and `<prefix>high`, in bold where asked."""

    def cell(row: Row) -> Cell:
        low, high = row[f"{prefix}low"], row[f"{prefix}high"]
        # What is bold is decided by the interval that the cell shows.
        is_strong = bold is not None and bold({**row, "low": low, "high": high})
        return estimate_cell(row[name], (low, high), shape, strong=is_strong)

    return Column(head, cell)


def differences(head: str, name: str, bold: Callable[[Row], bool] = excludes_zero) -> Column:
    """Returns a column of differences of the row's metric, with their signs and intervals."""
    return Column(head, lambda row: gain_cell(row, name, bold))


def gain_cell(row: Row | None, name: str, bold: Callable[[Row], bool] = excludes_zero) -> Cell:
    """Returns a difference of the row's metric, with its sign and interval; `MISSING` without a row."""
    if row is None:
        return MISSING
    shape = NumberFormat.of(metric(row["metric"]), signed=True)
    return estimate_cell(row[name], (row["low"], row["high"]), shape, strong=bold(row))


TASK: Final = Column("Task", lambda row: task_cell(row["task"]))
MODEL: Final = Column("Model", lambda row: text_cell(row["model"], str(natural_sort_key(row["model"]))))
SETTING: Final = Column("Setting", lambda row: text_cell("mixed" if row["setting"] == "multi" else "single"))
TRAINED_ON: Final = Column("Trained on", lambda row: languages_cell(row.get("train_languages", "")))
CURVE: Final = (TASK, MODEL, SETTING, TRAINED_ON)
"""The columns that name a curve."""
SAMPLES: Final = counts("n", "samples_per_language")
SEED: Final = counts("Seed", "seed")
EXPOSURE: Final = words("Languages", "exposure")
Q: Final = Column("q", lambda row: q_cell(row["q"]))
