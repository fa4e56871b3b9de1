"""Tables of scores and gains: all curves, the languages of a task, the correlation of seen and unseen languages."""

from __future__ import annotations

from typing import Final

import pandas as pd

from clt_ray.analysis.curve_labels import CURVE_COLUMNS, curve_labels, key_of
from clt_ray.analysis.display_order import language_name, language_order
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report.cells import MISSING, Cell, NumberFormat, count_cell, estimate_cell, text_cell
from clt_ray.html_report.declared_tables import (
    CURVE,
    SAMPLES,
    Column,
    Row,
    Table,
    TableSpec,
    counts,
    difference_cell,
    estimates,
    excludes_zero,
)
from clt_ray.html_report.text import p_value, percent

CORRELATIONS: Final = TableSpec(
    "transfer_correlation",
    "Rank correlation per curve",
    "Spearman correlation between the mean of the seen and the mean of the unseen languages over the runs of a curve, "
    "n = 0 included. Bold: the 95% interval excludes zero.",
    (
        *CURVE,
        counts("Runs", "n"),
        estimates("Spearman ρ", "spearman", NumberFormat(2), bold=excludes_zero),
        Column("p", lambda row: Cell(p_value(row["p"]), row["p"], numeric=True)),
    ),
)
_SUMMARY_CAPTION: Final = (
    "Each curve at its largest n, compared with n = 0. Gains and gaps are in points, for judge ratings on their 1–5 "
    "scale. Bold: the 95% interval of the gain excludes zero."
)
_KEYS: Final = ["task", *CURVE_COLUMNS]


def summary(gains: pd.DataFrame, relative: pd.DataFrame, gaps: pd.DataFrame) -> Table:
    """Returns one row per curve with its gains, gap and score relative to English at the largest n.

    Args:
        gains: From `tables.gain`.
        relative: From `tables.relative_to_english`.
        gaps: From `tables.seen_unseen`.
    """
    means = gains[gains["eval_language"] == MEAN]
    # A sweep may have thousands of curves, so each table is grouped once instead of being searched for every curve.
    gain_of = {tuple(map(str, key)): rows.iloc[-1] for key, rows in means.groupby([*_KEYS, "exposure"], sort=False)}
    gap_of = {tuple(map(str, key)): rows.iloc[-1] for key, rows in gaps.groupby(_KEYS, sort=False)}

    def gain_column(head: str, exposure: str) -> Column:
        return Column(head, lambda row: _gain_cell(gain_of.get((*_curve(row), exposure))))

    columns = (
        *CURVE,
        SAMPLES,
        gain_column("Gain, seen", "seen"),
        gain_column("Gain, unseen", "unseen"),
        Column("Seen − unseen", lambda row: _gap_cell(gap_of[_curve(row)])),
        Column("Relative to English", _relative_cell),
    )
    curves = relative.groupby(_KEYS, sort=False)
    first, last = curves.nth(0).set_index(_KEYS), curves.nth(-1)
    starts = first.loc[first["samples_per_language"] == 0, "relative_to_english"].rename("start")
    spec = TableSpec("gain", "All curves", _SUMMARY_CAPTION, columns)
    return spec.of(last.join(starts, on=_KEYS))


def languages(frame: pd.DataFrame, task: str) -> Table:
    """Returns the scores of a task: one row per curve and n, one column per language.

    Bold marks the best n of a curve in a language where it and the runner-up lie outside each other's intervals.

    Args:
        frame: From `tables.per_language`.
        task: The task whose rows are shown.
    """
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


def _curve(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in _KEYS)


def _gain_cell(row: pd.Series | None) -> Cell:
    return MISSING if row is None else difference_cell(row.to_dict(), "gain", excludes_zero(row.to_dict()))


def _gap_cell(row: pd.Series) -> Cell:
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
    if not (first["low"] > second["score"] and first["score"] > second["high"]):
        return None
    return int(ranked["samples_per_language"].iloc[0])
