"""Cells of the page's tables, and tables whose columns `words.yaml` declares.

    equal_volume:
      title: Language groups against extra English
      columns:
      - curve                                        # columns that a name stands for: `NAMED`
      - "Gain": {kind: estimate, of: gain}           # head: a function of this module with its arguments

`table("equal_volume", frame)` is the `Table` that the template lays out, with one row per row of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.follow_rates import SHARED
from clt_ray.analysis.gradient_agreement import RELATIONS
from clt_ray.analysis.labels import language_name, natural_sort_key, training_label
from clt_ray.analysis.mechanisms import ALL_TASKS
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.table_columns import FALSE_DISCOVERY_RATE
from clt_ray.html_report.text import NOTHING, number, p_value, percent, words, words_of
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


MISSING: Final = Cell(NOTHING, -np.inf, numeric=True)
"""Shown where there is no number; sorted before all numbers."""
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


def table(name: str, frame: pd.DataFrame) -> Table:
    """Returns the table that `words.yaml` declares under a name, with the rows of a frame; an empty one has no rows."""
    title, caption, bold = words_of("tables", name)
    columns = [column for declared in words()["tables"][name]["columns"] for column in _columns(declared)]
    rows = tuple(tuple(cell(row) for _, cell in columns) for row in frame.to_dict("records"))
    return Table(name, title, caption + (f" Bold: {bold}." if bold else ""), tuple(head for head, _ in columns), rows)


def _columns(declared: str | dict[str, Any]) -> Iterator[tuple[str, Callable[[Row], Cell]]]:
    if isinstance(declared, str):
        yield from NAMED[declared].items()
        return
    for head, arguments in declared.items():
        options = {"kind": arguments} if isinstance(arguments, str) else dict(arguments)
        kind = KINDS[options.pop("kind")]
        yield head, partial(kind, **options)


def excludes_zero(row: Row, prefix: str = "") -> bool:
    """Returns whether the interval from `<prefix>low` to `<prefix>high` excludes zero; an unknown one does not."""
    return bool(row[f"{prefix}low"] > 0 or row[f"{prefix}high"] < 0)


def is_discovery(row: Row) -> bool:
    """Returns whether the row's adjusted p value is below the accepted share of false discoveries."""
    return bool(row["q"] < FALSE_DISCOVERY_RATE)


def text_cell(value: str, sort: float | str | None = None) -> Cell:
    """Returns a cell of text, sorted by `sort` or else by the text without regard to case."""
    return Cell(value, value.lower() if sort is None else sort)


def number_cell(value: float, shape: NumberFormat) -> Cell:
    return Cell(shape.text(value), value * shape.factor if np.isfinite(value) else -np.inf, numeric=True)


def count(row: Row, of: str) -> Cell:
    """Returns a whole number."""
    return Cell(f"{round(row[of]):,}", float(round(row[of])), numeric=True)


def plain(row: Row, of: str, digits: int = 0, signed: bool = False) -> Cell:
    """Returns a number in the unit of the row's metric, with at least so many digits."""
    shape = NumberFormat.of(metric(row["metric"]), signed=signed)
    return number_cell(row[of], replace(shape, digits=max(shape.digits, digits)))


def estimate(
    row: Row, of: str, bold: str = "", digits: int | None = None, factor: float = 1.0, signed: bool = True,
    prefix: str = "",
) -> Cell:  # fmt: skip
    """Returns an estimate with the interval from `<prefix>low` to `<prefix>high` on a second line.

    Args:
        bold: "interval" for bold type where the interval excludes zero, "q" where the adjusted p value is a discovery.
        digits: Decimals of the number as stored times `factor`; by default in the unit of the row's metric.
    """
    if digits is None:
        shape = NumberFormat.of(metric(row["metric"]), signed=signed)
    else:
        shape = NumberFormat(digits, factor, signed)
    strong = (bold == "interval" and excludes_zero(row, prefix)) or (bold == "q" and is_discovery(row))
    note = shape.interval(row[f"{prefix}low"], row[f"{prefix}high"])
    return replace(number_cell(row[of], shape), note=note, strong=strong)


def text(row: Row, of: str, words: Mapping[str, str] | None = None) -> Cell:
    """Returns a text, or what `words` has for it."""
    return text_cell(words[row[of]] if words else str(row[of]))


def language(row: Row, of: str = "eval_language") -> Cell:
    return text_cell(language_name(row[of]))


def task(row: Row, of: str = "task") -> Cell:
    if row[of] == ALL_TASKS:
        return text_cell("All tasks", -1.0)
    return text_cell(task_label(row[of]), task_order(row[of])[0])


def rounded(value: float) -> str:
    """Returns a number of samples, rounded to two significant digits."""
    return "∞" if np.isinf(value) else f"{round(value, -max(0, len(str(int(value))) - 2)):,.0f}"


def samples(row: Row, of: str) -> Cell:
    """Returns an estimated number of samples with its interval."""
    if np.isnan(row[of]):
        return MISSING
    note = "" if np.isnan(row["low"]) else f"{rounded(row['low'])} to {rounded(row['high'])}"
    return Cell(rounded(row[of]), float(row[of]), note, numeric=True)


_COUNTS_FROM: Final = 100
"""A recomputed number from here on is a number of samples, not a share or a ratio."""


def _recomputed(row: Row) -> Cell:
    value = row["recomputed"]
    if np.isnan(value) or max(abs(value), abs(row["high"])) >= _COUNTS_FROM:
        return samples(row, "recomputed")
    shape = NumberFormat(3 if abs(value) < 1 else 1)
    return Cell(shape.text(value), float(value), shape.interval(row["low"], row["high"]), numeric=True)


def _relative(row: Row) -> Cell:
    before: str = "" if pd.isna(row["start"]) else f"{percent(row['start'])} → "
    return Cell(before + percent(row["relative_to_english"]), row["relative_to_english"], numeric=True)


KINDS: Final[dict[str, Callable[..., Cell]]] = {
    "text": text, "count": count, "plain": plain, "estimate": estimate, "samples": samples, "language": language,
    "task": task, "relative": _relative, "recomputed": _recomputed,
    "metric": lambda row: text_cell("loss" if row["metric"] == "loss" else metric(row["metric"]).label),
    "p": lambda row: Cell(p_value(row["p"]), row["p"], numeric=True),
    "claim": lambda row: Cell(row["claim"], row["claim"].lower(), note=row["definition"]),
    "verdict": lambda row: Cell(row["verdict"], row["verdict"], strong=row["verdict"] != SUPPORTED),
    "shared": lambda row: text_cell(" and ".join(name for name in SHARED if row[f"shares_{name}"]) or "neither"),
    "tasks": lambda row: text_cell(" + ".join(map(task_label, row["mixture"].split("+")))),
    "relation": lambda row: text_cell(row["relation"], RELATIONS.index(row["relation"])),
    "task_names": lambda row: text_cell(row["task"], str(task_order(row["task"]))),
    "state": lambda row: Cell(row["state"], row["state"], note=row["error"], strong=row["state"] != "finished"),
    "run": lambda row: Cell(row["run_id"], row["run_id"], code=True, link=row["link"]),
}  # fmt: skip
"""Functions from a row to a cell, by the name that declares them."""
_CURVE: Final[dict[str, Callable[[Row], Cell]]] = {
    "Task": task,
    "Model": lambda row: text_cell(row["model"], str(natural_sort_key(row["model"]))),
    "Setting": lambda row: text_cell("mixed" if row["setting"] == "multi" else "single"),
    "Trained on": lambda row: text_cell(training_label(row.get("train_languages", ""))),
}
NAMED: Final[dict[str, dict[str, Callable[[Row], Cell]]]] = {
    "curve": _CURVE,
    **{head.lower().replace(" ", "_"): {head: cell} for head, cell in _CURVE.items()},
    "n": {"n": lambda row: count(row, "samples_per_language")},
    "seed": {"Seed": lambda row: count(row, "seed")},
    "exposure": {"Languages": lambda row: text(row, "exposure")},
    "q": {"q": lambda row: Cell(p_value(row["q"]), row["q"] if np.isfinite(row["q"]) else np.inf, numeric=True)},
}
"""Columns that many tables share: heads and cells, by the name that stands for them."""
