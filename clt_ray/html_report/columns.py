"""Columns of the page's tables, and tables declared by their columns.

A measure's table is declared once, for instance `TableSpec("noise", "Run-to-run noise", caption, (*CURVE, Q))`;
`TableSpec.of(frame)` is the `Table` that the template lays out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pandas as pd

from clt_ray.analysis.display_order import language_list, natural_sort_key
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.table_columns import FALSE_DISCOVERY_RATE
from clt_ray.html_report.cells import Cell, NumberFormat, count_cell, estimate_cell, q_cell, text_cell

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
    """The declaration of a table with one row per row of a measure's data frame."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]

    def of(self, frame: pd.DataFrame) -> Table:
        """Returns the table of a data frame; an empty one has no rows."""
        rows = tuple(tuple(column.cell(row) for column in self.columns) for row in frame.to_dict("records"))
        return Table(self.name, self.title, self.caption, tuple(column.head for column in self.columns), rows)


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


def counts(head: str, name: str) -> Column:
    return Column(head, lambda row: count_cell(round(row[name])))


def estimates(
    head: str, name: str, shape: NumberFormat, prefix: str = "", bold: Callable[[Row], bool] | None = None
) -> Column:
    """Returns a column of estimates with the intervals in `<prefix>low` and `<prefix>high`, in bold where asked."""

    def cell(row: Row) -> Cell:
        interval = row[f"{prefix}low"], row[f"{prefix}high"]
        return estimate_cell(row[name], interval, shape, strong=bold is not None and bold(row))

    return Column(head, cell)


def differences(head: str, name: str, bold: Callable[[Row], bool] = excludes_zero) -> Column:
    """Returns a column of differences of the row's metric, with their signs and intervals."""
    return Column(head, lambda row: gain_cell(row, name, bold))


def gain_cell(row: Row, name: str, bold: Callable[[Row], bool] = excludes_zero) -> Cell:
    """Returns a difference of the row's metric, with its sign and interval."""
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
