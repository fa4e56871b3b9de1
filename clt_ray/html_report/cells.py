"""Cells of the page's tables: text, counts, and estimates with their intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from clt_ray.html_report.text import NOTHING, number, p_value
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
