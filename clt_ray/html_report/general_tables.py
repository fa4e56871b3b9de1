"""Tables of what holds beyond single curves: transfer between languages, model size, and follow rates."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.display_order import language_name, language_order
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.html_report.cells import MISSING, Cell, NumberFormat, estimate_cell, number_cell, text_cell
from clt_ray.html_report.declared_tables import (
    MODEL,
    SETTING,
    TASK,
    Column,
    Row,
    Table,
    TableSpec,
    counts,
    estimates,
    excludes_zero,
    is_discovery,
    language_column,
    words,
)
from clt_ray.html_report.text import number

MEASURES: Final = {
    "gain_seen": "Gain of seen languages, points of 100",
    "gain_unseen": "Gain of unseen languages, points of 100",
    "gap": "Seen − unseen, points of 100",
    "plateau": "Samples at the plateau, factor",
}
"""What the measures that are fitted against model size are called."""
_TERMS: Final = {
    "neither": "Shares neither script nor family",
    "script": "Difference when it shares the script",
    "family": "Difference when it shares the family",
}


def _slope_cell(row: Row) -> Cell:
    """Returns what a tenfold number of parameters changes: a factor for plateaus, else points."""
    if row["measure"] != "plateau":
        shape = NumberFormat(1, 100, signed=True)
        return estimate_cell(row["slope"], (row["low"], row["high"]), shape, strong=excludes_zero(row))
    note = "" if np.isnan(row["low"]) else f"{_factor(row['low'])} to {_factor(row['high'])}"
    return Cell(_factor(row["slope"]), row["slope"], note, excludes_zero(row), numeric=True)


def _factor(log: float) -> str:
    value = 10**log
    return "× < 0.01" if value < 0.005 else f"× {number(value, 0 if value >= 10 else 2)}"


def _shared_cell(row: Row) -> Cell:
    shares = [name for name in ("script", "family") if row[f"shares_{name}"]]
    return text_cell(" and ".join(shares) or "neither")


SCALE: Final = TableSpec(
    "scale",
    "Change with model size",
    "Change of a measure when the model has ten times the parameters, from one regression over all tasks. R²: each "
    "model is predicted from the others and compared with the mean of the others; below 0, size does not help to "
    "predict. Bold: the 95% interval excludes zero.",
    (
        Column("Measure", lambda row: text_cell(MEASURES.get(row["measure"]) or str(row["measure"]))),
        Column("Per tenfold parameters", _slope_cell),
        counts("Curves", "n"),
        Column("R² out of sample", lambda row: number_cell(row["r2"], NumberFormat(2))),
    ),
)
BOUNDARY: Final = TableSpec(
    "boundary",
    "Follow rate by script and family",
    "Follow rate: gain of an unseen language per point gained by the seen languages. 1 is full transfer, 0 is none. "
    "The first row is the rate of languages that share neither script nor family with a training language.",
    (
        Column("Unseen language", lambda row: text_cell(_TERMS.get(row["term"]) or str(row["term"]))),
        estimates("Follow rate", "estimate", NumberFormat(2)),
    ),
)
FOLLOW_RATES: Final = TableSpec(
    "follow_rates",
    "Follow rate of every unseen language",
    "Only curves whose seen languages gain more than noise are shown. Shares: what the language has in common with a "
    "training language, English included. Bold: the 95% interval excludes zero.",
    (
        TASK,
        MODEL,
        SETTING,
        words("Group", "language_group"),
        language_column("Unseen language", "eval_language"),
        Column("Shares", _shared_cell),
        estimates("Follow rate", "follow_rate", NumberFormat(2), bold=excludes_zero),
    ),
)


def scale(frame: pd.DataFrame) -> Table:
    """Returns the slopes that could be fitted."""
    return SCALE.of(frame[frame["slope"].notna()])


def source_matrices(frame: pd.DataFrame) -> tuple[Table, ...]:
    """Returns the gains from every training language to every evaluation language, per task, model and setting.

    Args:
        frame: From `clt_ray.analysis.tables.source_to_target`.
    """
    return tuple(_source_matrix(rows) for _, rows in frame.groupby(["task", "model", "setting"], sort=False))


def _source_matrix(rows: pd.DataFrame) -> Table:
    """Returns the matrix at the largest n that most training languages have, so that they are compared at one n."""
    sources_per_n = rows.groupby("samples_per_language")["source"].nunique()
    samples = int(sources_per_n.index[sources_per_n == sources_per_n.max()].max())
    rows = rows[rows["samples_per_language"] == samples]
    first = rows.iloc[0]
    gain_metric = metric(str(first["metric"]))
    gains = {(row["source"], row["target"]): row for row in rows.to_dict("records")}
    strongest = float(rows["gain"].abs().max()) or 1.0
    targets = sorted(rows["target"].unique(), key=language_order)
    lines = [
        (text_cell(language_name(source)), *(_gain_cell(gains.get((source, target)), strongest) for target in targets))
        for source in sorted(rows["source"].unique(), key=language_order)
    ]
    kind = ", mixed tasks" if first["setting"] == "multi" else ""
    caption = (
        f"Gain over n = 0 in {gain_metric.unit} at n = {samples:,}. Rows: the language added to English in training. "
        "Columns: the evaluation language. Bold: q is below 5%."
    )
    title = f"{task_label(str(first['task']))}, {first['model']}{kind}"
    heads = ("Trained on", *map(language_name, targets))
    return Table("source_to_target", title, caption, heads, tuple(lines))


def _gain_cell(row: Row | None, strongest: float) -> Cell:
    """Returns a gain, tinted in proportion to the strongest gain of its matrix."""
    if row is None:
        return MISSING
    shape = NumberFormat.of(metric(row["metric"]), signed=True)
    interval = (row["low"], row["high"])
    return estimate_cell(row["gain"], interval, shape, strong=is_discovery(row), heat=row["gain"] / strongest)
