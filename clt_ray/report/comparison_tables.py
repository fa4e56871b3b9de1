"""Tables of the page that compare curves: plateaus, mixing, scripts, and the study's claims."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.false_discovery import FALSE_DISCOVERY_RATE
from clt_ray.analysis.metrics import task_label
from clt_ray.report.html_tables import Cell, Table, count, curve_cells, difference, q_cell, quantity, text
from clt_ray.report.text import NOTHING, number

_BOLD: Final = (
    "Bold where q, the p value corrected for all comparisons of the table in the task, is below 5%; where item errors "
    "are not known there is neither interval nor q."
)
_MANY: Final = 100
"""From here on a recomputed number is a count of samples, not a share or a ratio."""


def claims(table: pd.DataFrame) -> Table:
    """The study's findings, recomputed."""
    rows = []
    for row in table.to_dict("records"):
        supported = row["verdict"] == SUPPORTED
        rows.append(
            (
                Cell(row["claim"], row["claim"].lower(), note=row["definition"]),
                text(row["published"]),
                _number_with_interval(row["recomputed"], row["low"], row["high"]),
                Cell(row["verdict"], row["verdict"], strong=not supported),
            )
        )
    caption = (
        "What the study concludes, recomputed from its published scores, in the unit of the definition: shares and "
        "accuracies from 0 to 1, ratings from 1 to 5. Intervals from run-to-run differences."
    )
    return Table("claims", caption, ("Claim and definition", "Published", "Recomputed", "Verdict"), tuple(rows))


def plateaus(table: pd.DataFrame) -> Table:
    """Where each curve levels off."""
    rows = []
    for row in table.to_dict("records"):
        rows.append(
            (
                *curve_cells(row),
                text(row["verdict"]),
                _samples(row["plateau"], row["low"], row["high"]),
                _samples(row["best_run"], row["best_run_low"], row["best_run_high"]),
            )
        )
    caption = (
        "Smallest n within 1% of the scale of the fitted ceiling, and of the best run; mean of the non-English "
        "languages. More than the largest n of the curve is shown as ∞."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "Curve", "Plateau, fitted", "Plateau, by best run")
    return Table("plateau", caption, heads, tuple(rows))


def mixing(table: pd.DataFrame) -> Table:
    """Mixed minus single-task runs."""
    rows = []
    for row in table.to_dict("records"):
        cells = (count(row["samples_per_language"]), text(row["exposure"]))
        rows.append(
            (
                *curve_cells(row),
                *cells,
                difference(row, "interference", row["q"] < FALSE_DISCOVERY_RATE),
                q_cell(row["q"]),
            )
        )
    caption = f"Mixed minus single-task score at the same n per task. {_BOLD}"
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Languages", "Interference", "q")
    return Table("interference", caption, heads, tuple(rows))


def scripts(table: pd.DataFrame) -> Table:
    """Interactions of language group and script."""
    rows = []
    for row in table[table["effect"] == "interaction"].to_dict("records"):
        cells = (text(row["against"]), count(row["samples_per_language"]))
        rows.append(
            (*curve_cells(row), *cells, difference(row, "estimate", row["q"] < FALSE_DISCOVERY_RATE), q_cell(row["q"]))
        )
    caption = (
        "How much more the first group than the second brings Latin-script languages than others. Positive: training "
        f"languages help their own script. {_BOLD}"
    )
    heads = ("Task", "Model", "Setting", "Trained on", "Against", "n", "Interaction", "q")
    return Table("script_effect", caption, heads, tuple(rows))


def scripts_by_task(table: pd.DataFrame) -> Table:
    """Interactions of script and task at the largest n of each pair of tasks."""
    rows = []
    design = ["model", "setting", "mixture", "language_group", "train_languages", "task", "against"]
    largest = table.groupby(design, sort=False)["samples_per_language"].transform("max")
    for row in table[table["samples_per_language"] == largest].to_dict("records"):
        found = quantity(
            row["estimate"], row["low"], row["high"], 100, 1, signed=True, strong=row["q"] < FALSE_DISCOVERY_RATE
        )
        cells = (text(task_label(row["against"])), count(row["samples_per_language"]))
        rows.append((*curve_cells(row), *cells, found, q_cell(row["q"])))
    caption = (
        "Gain in Latin-script languages minus gain in others, in the first task less the same in the second; points of "
        f"100 of each metric's scale, at the largest n. {_BOLD}"
    )
    heads = ("Task", "Model", "Setting", "Trained on", "Against task", "n", "Difference", "q")
    return Table("script_by_task", caption, heads, tuple(rows))


def _samples(value: float, low: float, high: float) -> Cell:
    """Samples per language, rounded to what is known."""
    if np.isnan(value):
        return Cell(NOTHING, -np.inf, numeric=True)
    note = "" if np.isnan(low) else f"{_rounded(low)} to {_rounded(high)}"
    return Cell(_rounded(value), float(value), note, numeric=True)


def _rounded(value: float) -> str:
    if np.isinf(value):
        return "∞"
    digits = max(0, len(str(int(value))) - 2)
    return f"{round(value, -digits):,.0f}"


def _number_with_interval(value: float, low: float, high: float) -> Cell:
    if np.isnan(value):
        return Cell(NOTHING, -np.inf, numeric=True)
    if max(abs(value), abs(high)) >= _MANY:
        return _samples(value, low, high)
    digits = 3 if abs(value) < 1 else 1
    note = "" if np.isnan(low) else f"{number(low, digits)} to {number(high, digits)}"
    return Cell(number(value, digits), float(value), note, numeric=True)
