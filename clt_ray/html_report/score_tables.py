"""Tables of scores and gains, of what curves show when they are compared, and of the reference study's claims."""

from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.labels import CURVE_COLUMNS, curve_labels, key_of, language_name, language_order
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report import columns
from clt_ray.html_report.columns import (
    CURVE,
    EXPOSURE,
    MISSING,
    SAMPLES,
    Cell,
    Column,
    NumberFormat,
    Q,
    Row,
    Table,
    TableSpec,
    count_cell,
    estimate_cell,
    text_cell,
)
from clt_ray.html_report.text import p_value, percent

CORRELATIONS: Final = TableSpec("transfer_correlation", (
    *CURVE, columns.counts("Runs", "n"),
    columns.estimates("Spearman ρ", "spearman", NumberFormat(2), bold=columns.excludes_zero),
    Column("p", lambda row: Cell(p_value(row["p"]), row["p"], numeric=True)),
))  # fmt: skip
_KEYS: Final = ["task", *CURVE_COLUMNS]


def summary(gains: pd.DataFrame, relative: pd.DataFrame, gaps: pd.DataFrame) -> Table:
    """Returns one row per curve with its gain, gap (`tables.seen_unseen`) and relative score at the largest n."""
    means = gains[gains["eval_language"] == MEAN]
    # A sweep may have thousands of curves, so each table is grouped once instead of being searched for every curve.
    gain_of, gap_of = _last_rows(means, [*_KEYS, "exposure"]), _last_rows(gaps, _KEYS)

    def gain_column(head: str, exposure: str) -> Column:
        return Column(head, lambda row: columns.gain_cell(gain_of.get((*_curve(row), exposure)), "gain"))

    gaps_column = Column("Seen − unseen", lambda row: _gap_cell(gap_of[_curve(row)]))
    shown = (gain_column("Gain, seen", "seen"), gain_column("Gain, unseen", "unseen"), gaps_column)
    curves = relative.groupby(_KEYS, sort=False)
    first, last = curves.nth(0).set_index(_KEYS), curves.nth(-1)
    starts = first.loc[first["samples_per_language"] == 0, "relative_to_english"].rename("start")
    relative_column = Column("Relative to English", _relative_cell)
    spec = TableSpec("gain", (*CURVE, SAMPLES, *shown, relative_column))
    return spec.of(last.join(starts, on=_KEYS))


def languages(frame: pd.DataFrame, task: str) -> Table:
    """Returns the scores of a task, from `tables.per_language`: one row per curve and n, one column per language."""
    task_rows = frame[frame["task"] == task]
    score_metric = metric(str(task_rows["metric"].iloc[0]))
    labels = curve_labels(task_rows)
    codes = sorted(task_rows["eval_language"].unique(), key=language_order)
    rows = []
    for _, curve in task_rows.groupby(CURVE_COLUMNS, sort=False):
        label = labels[key_of(curve.iloc[0])]
        best = {code: _clear_best(curve[curve["eval_language"] == code]) for code in codes}
        for samples, point in curve.groupby("samples_per_language", sort=True):
            scores = {row["eval_language"]: row for row in point.to_dict("records")}
            best_here = {code for code in codes if best[code] == samples}
            cells = [_score_cell(scores.get(code), code in best_here) for code in codes]
            rows.append((text_cell(label), count_cell(int(str(samples))), *cells))
    caption = (
        f"{score_metric.label[:1].upper()}{score_metric.label[1:]} ({score_metric.unit}), with 95% intervals where "
        "available. Bold: the best n of a curve, where it and the runner-up lie outside each other's intervals."
    )
    heads = ("Runs", "n", *(language_name(code) for code in codes))
    return Table("per_language", f"{task_label(task)}, scores in every language", caption, heads, tuple(rows))


def _last_rows(frame: pd.DataFrame, keys: list[str]) -> dict[tuple[str, ...], Row]:
    return {tuple(map(str, key)): rows.iloc[-1].to_dict() for key, rows in frame.groupby(keys, sort=False)}


def _curve(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in _KEYS)


def _gap_cell(row: Row) -> Cell:
    shape = NumberFormat.of(metric(row["metric"]), signed=True)
    return estimate_cell(row["gap"], (row["gap_low"], row["gap_high"]), shape)


def _relative_cell(row: Row) -> Cell:
    before: str = "" if pd.isna(row["start"]) else f"{percent(row['start'])} → "
    return Cell(before + percent(row["relative_to_english"]), row["relative_to_english"], numeric=True)


def _score_cell(row: Row | None, strong: bool) -> Cell:
    if row is None:
        return MISSING
    return estimate_cell(row["score"], (row["low"], row["high"]), NumberFormat.of(metric(row["metric"])), strong=strong)


def _clear_best(rows: pd.DataFrame) -> int | None:
    """Returns the n of the best score if it and the second best each lie outside the other's interval."""
    ranked = rows.sort_values("score", ascending=False)
    if len(ranked) < 2:
        return None
    first, second = ranked.iloc[0], ranked.iloc[1]
    is_clear = first["low"] > second["score"] and first["score"] > second["high"]
    return int(first["samples_per_language"]) if is_clear else None


_COUNTS_FROM: Final = 100
"""A recomputed number from here on is a number of samples, not a share or a ratio."""


def _samples_cell(value: float, low: float, high: float) -> Cell:
    if np.isnan(value):
        return MISSING
    note = "" if np.isnan(low) else f"{_rounded(low)} to {_rounded(high)}"
    return Cell(_rounded(value), float(value), note, numeric=True)


def _rounded(value: float) -> str:
    """Returns a number of samples, rounded to two significant digits."""
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


CLAIMS: Final = TableSpec("claims", (
    Column("Claim and definition", lambda row: Cell(row["claim"], row["claim"].lower(), note=row["definition"])),
    columns.words("Published", "published"), Column("Recomputed", _recomputed_cell),
    Column("Verdict", lambda row: Cell(row["verdict"], row["verdict"], strong=row["verdict"] != SUPPORTED)),
))  # fmt: skip
PLATEAUS: Final = TableSpec("plateau", (
    *CURVE, columns.words("Curve", "verdict"),
    Column("Plateau", lambda row: _samples_cell(row["plateau"], row["low"], row["high"])),
))  # fmt: skip
MIXED_TASKS: Final = TableSpec("interference", (
    *CURVE, SAMPLES, EXPOSURE, columns.differences("Interference", "interference", columns.is_discovery), Q,
))  # fmt: skip
SCRIPTS: Final = TableSpec("script_effect", (
    *CURVE, columns.words("Against", "against"), SAMPLES,
    columns.differences("Interaction", "estimate", columns.is_discovery), Q,
))  # fmt: skip
SCRIPTS_BY_TASK: Final = TableSpec("script_by_task", (
    *CURVE, Column("Against task", lambda row: text_cell(task_label(row["against"]))), SAMPLES,
    columns.estimates("Difference", "estimate", NumberFormat(1, 100, signed=True), bold=columns.is_discovery), Q,
))  # fmt: skip


def scripts(frame: pd.DataFrame) -> Table:
    """Returns only the interactions of language group and script, not the gains they are computed from."""
    return SCRIPTS.of(frame[frame["effect"] == "interaction"])


def scripts_by_task(frame: pd.DataFrame) -> Table:
    """Returns the interactions of script and task at the largest n of each pair of tasks."""
    design = ["model", "setting", "mixture", "language_group", "train_languages", "task", "against"]
    largest = frame.groupby(design, sort=False)["samples_per_language"].transform("max")
    return SCRIPTS_BY_TASK.of(frame[frame["samples_per_language"] == largest])
