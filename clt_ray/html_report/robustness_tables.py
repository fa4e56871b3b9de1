"""Tables of what a finding depends on: run-to-run noise, single languages, data volume, the language of the answers."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from clt_ray.analysis.curve_labels import CURVE_COLUMNS, curve_labels, key_of
from clt_ray.analysis.display_order import language_name, language_order
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.run_noise_tables import REPEATS
from clt_ray.html_report.cells import MISSING, Cell, NumberFormat, count_cell, number_cell, text_cell
from clt_ray.html_report.declared_tables import (
    CURVE,
    EXPOSURE,
    MODEL,
    SAMPLES,
    SETTING,
    TASK,
    Column,
    Q,
    Row,
    Table,
    TableSpec,
    counts,
    difference_cell,
    differences,
    excludes_zero,
    is_discovery,
    task_cell,
)
from clt_ray.html_report.text import number, percent

_SURELY_WRONG: Final = 0.9
"""A share of answers in the right language is set in bold when its whole interval lies below this."""


def _noise_cell(row: Row, name: str) -> Cell:
    noise_metric = metric(row["metric"])
    return number_cell(row[name], NumberFormat(max(noise_metric.digits, 2), noise_metric.shown_factor))


def _plain_difference(head: str, name: str, *, signed: bool) -> Column:
    """Returns a column of differences of the row's metric without intervals."""
    return Column(head, lambda row: number_cell(row[name], NumberFormat.of(metric(row["metric"]), signed=signed)))


NOISE: Final = TableSpec(
    "noise",
    "Run-to-run noise",
    "Noise of the mean over the non-English languages, in points (ratings: on their 1–5 scale). Difference: exceeded "
    "by 5% of the pairs of repetitions of the same run. Where no run is repeated, the noise is estimated from runs at "
    "neighbouring n, which tends to overestimate it.",
    (
        TASK,
        MODEL,
        SETTING,
        Column("Metric", lambda row: text_cell(metric(row["metric"]).label)),
        Column("Standard deviation", lambda row: _noise_cell(row, "deviation")),
        Column("Difference", lambda row: _noise_cell(row, "difference")),
        Column("Degrees of freedom", lambda row: number_cell(row["n"], NumberFormat(0))),
        Column(
            "Estimated from",
            lambda row: text_cell("repeated runs" if row["method"] == REPEATS else "neighbouring n"),
        ),
    ),
)
GAINS_OVER_RUNS: Final = TableSpec(
    "gain_over_runs",
    "Gains with run-to-run noise",
    "Gain at the largest n of each curve. The 95% intervals include run-to-run noise: they cover training the same "
    "runs again. Bold: the interval excludes zero.",
    (*CURVE, SAMPLES, EXPOSURE, differences("Gain", "gain")),
)
GAINS_OVER_LANGUAGES: Final = TableSpec(
    "gain_over_languages",
    "Gains generalized to other languages",
    "The same gains with 95% intervals for the mean over all languages like these, and over all runs where there are "
    "several seeds. The intervals are wide where the languages are few or differ. Bold: the interval excludes zero.",
    (*CURVE, SAMPLES, EXPOSURE, counts("Number of languages", "n"), differences("Gain", "gain")),
)
BEST_RUNS: Final = TableSpec(
    "peaks",
    "Best runs, corrected for selection",
    "Best run of each curve compared with n = 0. The best of several noisy runs overestimates its true score, because "
    "it was selected for being best. This selection bias is estimated from the run-to-run noise and subtracted. Bold: "
    "the 95% interval of the corrected gain excludes zero.",
    (
        *CURVE,
        EXPOSURE,
        counts("Best n", "samples_per_language"),
        _plain_difference("Gain of the best run", "rise", signed=True),
        _plain_difference("Selection bias", "optimism", signed=False),
        differences("Corrected gain", "corrected"),
    ),
)
EQUAL_VOLUME: Final = TableSpec(
    "equal_volume",
    "Language groups against extra English",
    "Score of the run on the language group minus score of the run with as many additional English rows instead. Bold: "
    "q, the p value adjusted for all comparisons of the task, is below 5%.",
    (*CURVE, SAMPLES, EXPOSURE, differences("Languages − English", "difference", is_discovery), Q),
)
LEAVE_ONE_OUT: Final = TableSpec(
    "leave_one_out",
    "Smallest and largest gap with one language left out",
    "Gap between seen and unseen languages at the largest n of each curve, and the smallest and the largest gap that "
    "result from leaving out a single language. Bold: the 95% interval excludes zero.",
    (
        *CURVE,
        SAMPLES,
        _plain_difference("Gap", "whole_gap", signed=True),
        Column("Smallest", lambda row: _gap_cell(row["smallest"])),
        Column("Without", lambda row: text_cell(language_name(row["smallest"]["left_out"]))),
        Column("Largest", lambda row: _gap_cell(row["largest"])),
        Column("Without", lambda row: text_cell(language_name(row["largest"]["left_out"]))),
    ),
)


def gains_over_runs(frame: pd.DataFrame) -> Table:
    return GAINS_OVER_RUNS.of(at_largest(frame))


def gains_over_languages(frame: pd.DataFrame) -> Table:
    return GAINS_OVER_LANGUAGES.of(at_largest(frame))


def left_out(frame: pd.DataFrame) -> Table:
    """Returns the gap of every curve at its largest n, and its extremes over the languages left out.

    Args:
        frame: From `clt_ray.analysis.tables.leave_one_out`.
    """
    rows = []
    for _, curve in at_largest(frame).groupby(["task", *CURVE_COLUMNS], sort=False):
        ordered = curve.sort_values("gap", kind="stable").to_dict("records")
        smallest, largest = ordered[0], ordered[-1]
        whole_gap = smallest["gap"] - smallest["change"]
        rows.append(smallest | {"whole_gap": whole_gap, "smallest": smallest, "largest": largest})
    return LEAVE_ONE_OUT.of(pd.DataFrame(rows))


def fidelity(frame: pd.DataFrame) -> Table:
    """Returns the share of answers in the right language: a row per run, a column per language.

    Args:
        frame: From `clt_ray.analysis.tables.fidelity`.
    """
    codes = sorted(frame["eval_language"].unique(), key=language_order)
    labels = curve_labels(frame)
    rows = []
    for (task, run_ids), part in frame.groupby(["task", "run_ids"], sort=False):
        shares: dict[str, dict[Any, Any]] = {row["eval_language"]: row for row in part.to_dict("records")}
        label = labels[key_of(part.iloc[0])]
        run = Cell(label, label.lower(), note=str(run_ids))
        samples = count_cell(int(part["samples_per_language"].iloc[0]))
        cells = [_share_cell(shares[code]) if code in shares else MISSING for code in codes]
        rows.append((task_cell(str(task)), run, samples, *cells))
    caption = (
        "Share of the answers that are in the language of the prompt, with Wilson intervals. Bold: the whole interval "
        f"lies below {percent(_SURELY_WRONG)}."
    )
    heads = ("Task", "Run", "n", *map(language_name, codes))
    return Table("fidelity", "Language fidelity", caption, heads, tuple(rows))


def at_largest(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of every curve at its largest n."""
    largest = frame.groupby(["task", *CURVE_COLUMNS], sort=False)["samples_per_language"].transform("max")
    return frame[frame["samples_per_language"] == largest]


def _gap_cell(row: Row) -> Cell:
    return difference_cell(row, "gap", excludes_zero(row))


def _share_cell(row: Row) -> Cell:
    interval = f"{number(100 * row['low'], 0)} to {number(100 * row['high'], 0)}"
    return Cell(percent(row["fidelity"]), row["fidelity"], interval, row["high"] < _SURELY_WRONG, numeric=True)
