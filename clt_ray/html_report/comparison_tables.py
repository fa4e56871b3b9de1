"""Tables that compare curves: plateaus, mixed tasks, scripts, and the claims of the reference study."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.metrics import task_label
from clt_ray.html_report.cells import MISSING, Cell, NumberFormat, text_cell
from clt_ray.html_report.declared_tables import (
    CURVE,
    EXPOSURE,
    SAMPLES,
    Column,
    Q,
    Row,
    Table,
    TableSpec,
    differences,
    estimates,
    is_discovery,
    words,
)

_BOLD: Final = (
    "Bold: q, the p value adjusted for all comparisons of the table within the task, is below 5%. Where item errors "
    "are not available there is neither an interval nor q."
)
_COUNTS_FROM: Final = 100
"""A recomputed number from here on is a number of samples, not a share or a ratio."""


def _claim_cell(row: Row) -> Cell:
    return Cell(row["claim"], row["claim"].lower(), note=row["definition"])


def _verdict_cell(row: Row) -> Cell:
    return Cell(row["verdict"], row["verdict"], strong=row["verdict"] != SUPPORTED)


def _samples_cell(value: float, low: float, high: float) -> Cell:
    """Returns samples per language, rounded to two significant digits."""
    if np.isnan(value):
        return MISSING
    note = "" if np.isnan(low) else f"{_rounded(low)} to {_rounded(high)}"
    return Cell(_rounded(value), float(value), note, numeric=True)


def _rounded(value: float) -> str:
    if np.isinf(value):
        return "∞"
    digits = max(0, len(str(int(value))) - 2)
    return f"{round(value, -digits):,.0f}"


def _recomputed_cell(row: Row) -> Cell:
    value, low, high = row["recomputed"], row["low"], row["high"]
    if np.isnan(value):
        return MISSING
    if max(abs(value), abs(high)) >= _COUNTS_FROM:
        return _samples_cell(value, low, high)
    shape = NumberFormat(3 if abs(value) < 1 else 1)
    return Cell(shape.text(value), float(value), shape.interval(low, high), numeric=True)


CLAIMS: Final = TableSpec(
    "claims",
    "All claims",
    "Claims of the reference study, recomputed from its published scores. Each number is in the unit of its "
    "definition: shares and accuracies from 0 to 1, ratings from 1 to 5. Intervals include run-to-run noise.",
    (
        Column("Claim and definition", _claim_cell),
        words("Published", "published"),
        Column("Recomputed", _recomputed_cell),
        Column("Verdict", _verdict_cell),
    ),
)
PLATEAUS: Final = TableSpec(
    "plateau",
    "Where curves level off",
    "Smallest n at which the mean score of the non-English languages is within 1% of the metric's scale of the fitted "
    "curve's ceiling, or of the best run. ∞ means more than the largest n of the curve.",
    (
        *CURVE,
        words("Curve", "verdict"),
        Column("Plateau, fitted", lambda row: _samples_cell(row["plateau"], row["low"], row["high"])),
        Column(
            "Plateau, by best run",
            lambda row: _samples_cell(row["best_run"], row["best_run_low"], row["best_run_high"]),
        ),
    ),
)
MIXED_TASKS: Final = TableSpec(
    "interference",
    "Mixed tasks against a single task",
    f"Score of the run on mixed tasks minus score of the single-task run with the same n per task. {_BOLD}",
    (*CURVE, SAMPLES, EXPOSURE, differences("Interference", "interference", is_discovery), Q),
)
SCRIPTS: Final = TableSpec(
    "script_effect",
    "Language group by script",
    "How much more the languages in “Trained on” improve Latin-script languages than other languages, compared with "
    f"the group in “Against”. Positive values mean that training languages help languages of their own script. {_BOLD}",
    (*CURVE, words("Against", "against"), SAMPLES, differences("Interaction", "estimate", is_discovery), Q),
)
SCRIPTS_BY_TASK: Final = TableSpec(
    "script_by_task",
    "Script by task",
    "Gain in Latin-script languages minus gain in other languages, in the first task minus the same in the second, at "
    f"the largest n. Points are hundredths of each metric's scale. {_BOLD}",
    (
        *CURVE,
        Column("Against task", lambda row: text_cell(task_label(row["against"]))),
        SAMPLES,
        estimates("Difference", "estimate", NumberFormat(1, 100, signed=True), bold=is_discovery),
        Q,
    ),
)


def scripts(frame: pd.DataFrame) -> Table:
    """Returns the interactions of language group and script, without the gains they are computed from."""
    return SCRIPTS.of(frame[frame["effect"] == "interaction"])


def scripts_by_task(frame: pd.DataFrame) -> Table:
    """Returns the interactions of script and task at the largest n of each pair of tasks."""
    design = ["model", "setting", "mixture", "language_group", "train_languages", "task", "against"]
    largest = frame.groupby(design, sort=False)["samples_per_language"].transform("max")
    return SCRIPTS_BY_TASK.of(frame[frame["samples_per_language"] == largest])
