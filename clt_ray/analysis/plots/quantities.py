"""How the value column of a table is drawn: its label, its unit, and the value that means no difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

from clt_ray.analysis.metrics import metric

Ticks = Literal["plain", "signed", "percent", "factor", "samples"]
"""How numbers on the axis are written: `factor` as powers of ten, `samples` on a logarithmic axis that includes 0."""


@dataclass(frozen=True)
class Quantity:
    """How the values of one column are drawn."""

    label: str
    """What the axis measures."""
    unit: str
    """Unit of the shown numbers."""
    factor: float = 1.0
    """Shown number per stored number."""
    reference: float | None = None
    """Shown value that means no difference, where a line is drawn; None for none."""
    ticks: Ticks = "plain"
    """How numbers on the axis are written."""


_DIFFERENCES: Final = {
    "gain": "gain over n = 0",
    "gap": "seen − unseen",
    "change": "change of the gap",
    "difference": "languages − extra English",
    "interference": "mixed − single task",
    "rise": "gain of the best run",
    "corrected": "corrected gain",
    "optimism": "selection bias",
}
"""Columns with differences in the unit of the row's metric -> their labels."""
_SHARES: Final = {
    "relative_to_english": Quantity("share of the English score", "%", 100.0, 100.0, "percent"),
    "fidelity": Quantity("answers in the right language", "%", 100.0, None, "percent"),
    "follow_rate": Quantity("follow rate", "gain per point of seen gain", reference=0.0),
    "spearman": Quantity("Spearman correlation", "seen with unseen", reference=0.0),
    "pearson": Quantity("Pearson correlation", "seen with unseen", reference=0.0),
    "plateau": Quantity("plateau", "samples per language", ticks="samples"),
    "best_run": Quantity("plateau by the best run", "samples per language", ticks="samples"),
}
MEASURES: Final = {
    "gain_seen": "Gain of seen languages",
    "gain_unseen": "Gain of unseen languages",
    "gap": "Seen − unseen",
    "plateau": "Samples at the plateau",
}
"""Titles of the measures that are fitted against model size."""


def quantity(table: pd.DataFrame, value: str) -> Quantity:
    """Returns how a column of a measure's table is drawn.

    Args:
        table: Rows of a single metric, or of a measure without metrics.
        value: Name of the column; an unknown column is drawn as it is stored.
    """
    if value in _SHARES:
        return _SHARES[value]
    if value == "slope":
        return _slope(str(table["measure"].iloc[0]))
    if "term" in table:
        return Quantity("follow rate", "gain per point of seen gain", reference=0.0)
    if value == "estimate" and "effect" not in table:
        return Quantity("Latin − other scripts", "points of 100 of each scale", 100.0, 0.0, "signed")
    if "metric" not in table:
        return Quantity(value.replace("_", " "), "as stored")
    row_metric = metric(str(table["metric"].iloc[0]))
    if value == "estimate":
        interaction = (table["effect"] == "interaction").all()
        words = "Latin − other scripts" if interaction else "gain over n = 0"
        return Quantity(f"{row_metric.label}, {words}", row_metric.unit, row_metric.shown_factor, 0.0, "signed")
    if value in _DIFFERENCES:
        label = f"{row_metric.label}, {_DIFFERENCES[value]}"
        return Quantity(label, row_metric.unit, row_metric.shown_factor, 0.0, "signed")
    return Quantity(f"{row_metric.label}, {value.replace('_', ' ')}", row_metric.unit, row_metric.shown_factor)


def _slope(measure: str) -> Quantity:
    if measure == "plateau":
        return Quantity("per ten times the parameters", "factor", reference=0.0, ticks="factor")
    return Quantity("per ten times the parameters", "points of 100", 100.0, 0.0, "signed")
