"""Tables of the page about what a finding depends on: chance, one language, volume, the language of the answers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.curve_labels import CURVE_COLUMNS, curve_labels
from clt_ray.analysis.display_order import language_name, language_order
from clt_ray.analysis.false_discovery import FALSE_DISCOVERY_RATE
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.run_noise_tables import REPEATS
from clt_ray.report.html_tables import (
    Cell,
    Table,
    count,
    curve_cells,
    difference,
    is_clear,
    q_cell,
    quantity,
    text,
)
from clt_ray.report.text import NOTHING, number, percent

_SURELY_WRONG: Final = 0.9
"""Language fidelity below which a run is pointed out, when its interval lies below."""


def noise(table: pd.DataFrame) -> Table:
    """How much equal runs differ."""
    rows = []
    for row in table.to_dict("records"):
        about = metric(row["metric"])
        shown = [row[name] * about.shown_factor for name in ("deviation", "difference")]
        numbers = [Cell(number(value, max(about.digits, 2)), value, numeric=True) for value in shown]
        source = "repeated runs" if row["method"] == REPEATS else "neighbouring n"
        freedom = Cell(number(row["n"], 0), row["n"], numeric=True)
        rows.append((*curve_cells(row)[:3], text(about.label), *numbers, freedom, text(source)))
    caption = (
        "Mean of the non-English languages, in points (ratings: on their 1–5 scale). Difference: what two runs that "
        "differ in nothing exceed in 5% of pairs. Where nothing was repeated, runs of neighbouring n stand in, which "
        "errs towards too much noise."
    )
    heads = ("Task", "Model", "Setting", "Metric", "Standard deviation", "Difference", "Degrees of freedom", "From")
    return Table("noise", caption, heads, tuple(rows))


def gains_over_runs(table: pd.DataFrame) -> Table:
    """Gains at the largest n with what training again would add."""
    rows = []
    for row in at_largest(table).to_dict("records"):
        cells = (count(row["samples_per_language"]), text(row["exposure"]))
        rows.append((*curve_cells(row), *cells, difference(row, "gain", is_clear(row))))
    caption = (
        "Gain at the largest n of each curve, with intervals that also cover training the runs again. Bold where they "
        "exclude zero."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Languages", "Gain")
    return Table("gain_over_runs", caption, heads, tuple(rows))


def gains_over_languages(table: pd.DataFrame) -> Table:
    """Gains at the largest n for languages and runs like those at hand."""
    rows = []
    for row in at_largest(table).to_dict("records"):
        cells = (count(row["samples_per_language"]), text(row["exposure"]), count(row["n"]))
        rows.append((*curve_cells(row), *cells, difference(row, "gain", is_clear(row))))
    caption = (
        "The same gains with intervals for the mean of all languages like these, and of all runs where there are "
        "several seeds: wide where the languages are few or differ. Bold where they exclude zero."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Languages", "Number", "Gain")
    return Table("gain_over_languages", caption, heads, tuple(rows))


def peaks(table: pd.DataFrame) -> Table:
    """The best run of every curve, and how much of it is the luck of the best."""
    rows = []
    for row in table.to_dict("records"):
        about = metric(row["metric"])
        plain = [
            quantity(row[name], np.nan, np.nan, about.shown_factor, about.digits, signed=name == "rise")
            for name in ("rise", "optimism")
        ]
        cells = (text(row["exposure"]), count(row["samples_per_language"]))
        rows.append((*curve_cells(row), *cells, *plain, difference(row, "corrected", is_clear(row))))
    caption = (
        "Best run of each curve against n = 0. The best of several runs is partly lucky: that part is estimated from "
        "run-to-run noise and taken off. Bold where the interval of what remains excludes zero."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "Languages", "Best n", "Rise", "Luck", "Corrected")
    return Table("peaks", caption, heads, tuple(rows))


def left_out(table: pd.DataFrame) -> Table:
    """Gap of every curve at its largest n, with the language whose absence makes it smallest and largest."""
    rows = []
    last = at_largest(table)
    for _, part in last.groupby(["task", *CURVE_COLUMNS], sort=False):
        ordered = part.sort_values("gap", kind="stable").to_dict("records")
        first, end = ordered[0], ordered[-1]
        about = metric(first["metric"])
        whole = first["gap"] - first["change"]
        cell = quantity(whole, np.nan, np.nan, about.shown_factor, about.digits, signed=True)
        ends: list[Cell] = []
        for row in (first, end):
            ends += [difference(row, "gap", is_clear(row)), text(language_name(row["left_out"]))]
        rows.append((*curve_cells(first), count(first["samples_per_language"]), cell, *ends))
    caption = (
        "Seen − unseen at the largest n of each curve, and the smallest and the largest that leaving out one language "
        "makes of it. Bold where the interval excludes zero."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Gap", "Smallest", "Without", "Largest", "Without")
    return Table("leave_one_out", caption, heads, tuple(rows))


def controls(table: pd.DataFrame) -> Table:
    """Language groups against as much extra English."""
    rows = []
    for row in table.to_dict("records"):
        cells = (count(row["samples_per_language"]), text(row["exposure"]))
        rows.append(
            (
                *curve_cells(row),
                *cells,
                difference(row, "difference", row["q"] < FALSE_DISCOVERY_RATE),
                q_cell(row["q"]),
            )
        )
    caption = (
        "Score of the language group minus score of the run with as many more English rows instead. Bold where q, the "
        "p value corrected for all comparisons of the task, is below 5%."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Languages", "Languages − English", "q")
    return Table("equal_volume", caption, heads, tuple(rows))


def fidelity(table: pd.DataFrame) -> Table:
    """Share of outputs in the right language: a row per run, a column per language."""
    codes = sorted(table["eval_language"].unique(), key=language_order)
    labels = curve_labels(table)
    rows = []
    for (task, run_id), part in table.groupby(["task", "run_ids"], sort=False):
        found = {row["eval_language"]: row for row in part.to_dict("records")}
        first: dict[Any, Any] = part.iloc[0].to_dict()
        label = labels[tuple(str(first[name]) for name in ("model", "setting", "language_group", "train_languages"))]
        row = [text(task_label(str(task)), task_order(str(task))[0]), Cell(label, label.lower(), note=str(run_id))]
        row.append(count(first["samples_per_language"]))
        for code in codes:
            cell = found.get(code)
            if cell is None:
                row.append(Cell(NOTHING, -np.inf, numeric=True))
            else:
                ends = f"{number(100 * cell['low'], 0)} to {number(100 * cell['high'], 0)}"
                wrong = bool(cell["high"] < _SURELY_WRONG)
                row.append(Cell(percent(cell["fidelity"]), cell["fidelity"], ends, wrong, numeric=True))
        rows.append(tuple(row))
    caption = "Share of outputs in the language of the prompt, with Wilson intervals. Bold: surely below 90%."
    return Table("fidelity", caption, ("Task", "Run", "n", *map(language_name, codes)), tuple(rows))


def at_largest(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of every curve at its largest n."""
    largest = table.groupby(["task", *CURVE_COLUMNS], sort=False)["samples_per_language"].transform("max")
    return table[table["samples_per_language"] == largest]
