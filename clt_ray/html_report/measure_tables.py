"""Tables of what findings depend on (noise, single languages, data volume) and of what holds beyond single curves."""

from dataclasses import replace
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.curve_tables import comparable
from clt_ray.analysis.follow_rates import TERMS
from clt_ray.analysis.labels import CURVE_COLUMNS, curve_labels, key_of, language_name, language_order
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.run_noise_tables import NEIGHBOURS, REPEATS
from clt_ray.html_report import columns
from clt_ray.html_report.columns import (
    CURVE,
    EXPOSURE,
    MISSING,
    MODEL,
    SAMPLES,
    SETTING,
    TASK,
    Cell,
    Column,
    NumberFormat,
    Q,
    Row,
    Table,
    TableSpec,
    count_cell,
    number_cell,
    text_cell,
)
from clt_ray.html_report.text import number, percent

_SURELY_WRONG: Final = 0.9
"""A share of answers in the right language is set in bold when its whole interval lies below this."""


def _noise_cell(row: Row, name: str) -> Cell:
    noise_metric = metric(row["metric"])
    return number_cell(row[name], NumberFormat(max(noise_metric.digits, 2), noise_metric.shown_factor))


def _plain_difference(head: str, name: str, *, signed: bool) -> Column:
    return Column(head, lambda row: number_cell(row[name], NumberFormat.of(metric(row["metric"]), signed=signed)))


def _extreme(head: str, name: str) -> tuple[Column, Column]:
    return (
        Column(head, lambda row: columns.gain_cell(row[name], "gap")),
        Column("Without", lambda row: text_cell(language_name(row[name]["left_out"]))),
    )


_NOISE_SOURCES: Final = {REPEATS: "repeated runs", NEIGHBOURS: "neighbouring n"}

NOISE: Final = TableSpec("noise", (
    TASK, MODEL, SETTING, Column("Metric", lambda row: text_cell(metric(row["metric"]).label)),
    Column("Standard deviation", lambda row: _noise_cell(row, "deviation")),
    Column("Difference", lambda row: _noise_cell(row, "difference")),
    columns.numbers("Degrees of freedom", "n", NumberFormat(0)),
    Column("Estimated from", lambda row: text_cell(_NOISE_SOURCES[row["method"]])),
))  # fmt: skip
GAINS_OVER_RUNS: Final = TableSpec("gain_over_runs", (*CURVE, SAMPLES, EXPOSURE, columns.differences("Gain", "gain")))
GAINS_OVER_LANGUAGES: Final = TableSpec("gain_over_languages", (
    *CURVE, SAMPLES, EXPOSURE, columns.counts("Number of languages", "n"), columns.differences("Gain", "gain"),
))  # fmt: skip
BEST_RUNS: Final = TableSpec("peaks", (
    *CURVE, EXPOSURE, columns.counts("Best n", "samples_per_language"),
    _plain_difference("Gain of the best run", "rise", signed=True),
    _plain_difference("Selection bias", "optimism", signed=False), columns.differences("Corrected gain", "corrected"),
))  # fmt: skip
EQUAL_VOLUME: Final = TableSpec("equal_volume", (
    *CURVE, SAMPLES, EXPOSURE, columns.differences("Languages − English", "difference", columns.is_discovery), Q,
))  # fmt: skip
LEAVE_ONE_OUT: Final = TableSpec("leave_one_out", (
    *CURVE, SAMPLES, _plain_difference("Gap", "whole_gap", signed=True), *_extreme("Smallest", "smallest"),
    *_extreme("Largest", "largest"),
))  # fmt: skip


def left_out(frame: pd.DataFrame) -> Table:
    """Returns the gap of every curve at its largest n, and its extremes over the languages left out."""
    rows = []
    for _, curve in at_largest(frame).groupby(["task", *CURVE_COLUMNS], sort=False):
        ordered = curve.sort_values("gap", kind="stable").to_dict("records")
        smallest, largest = ordered[0], ordered[-1]
        whole_gap = smallest["gap"] - smallest["change"]
        rows.append(smallest | {"whole_gap": whole_gap, "smallest": smallest, "largest": largest})
    return LEAVE_ONE_OUT.of(pd.DataFrame(rows))


def fidelity(frame: pd.DataFrame) -> Table:
    """Returns the share of answers in the right language: a row per run, a column per language."""
    codes = sorted(frame["eval_language"].unique(), key=language_order)
    labels = curve_labels(frame)
    rows = []
    for (task, run_ids), part in frame.groupby(["task", "run_ids"], sort=False):
        shares: dict[str, dict[Any, Any]] = {row["eval_language"]: row for row in part.to_dict("records")}
        label = labels[key_of(part.iloc[0])]
        run = Cell(label, label.lower(), note=str(run_ids))
        samples = count_cell(int(part["samples_per_language"].iloc[0]))
        cells = [_share_cell(shares[code]) if code in shares else MISSING for code in codes]
        rows.append((columns.task_cell(str(task)), run, samples, *cells))
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


def _share_cell(row: Row) -> Cell:
    interval = f"{number(100 * row['low'], 0)} to {number(100 * row['high'], 0)}"
    return Cell(percent(row["fidelity"]), row["fidelity"], interval, row["high"] < _SURELY_WRONG, numeric=True)


def _shared_cell(row: Row) -> Cell:
    shares = [name for name in ("script", "family") if row[f"shares_{name}"]]
    return text_cell(" and ".join(shares) or "neither")


BOUNDARY: Final = TableSpec("boundary", (
    Column("Unseen language", lambda row: text_cell(TERMS[row["term"]])),
    columns.estimates("Follow rate", "estimate", NumberFormat(2)),
))  # fmt: skip
FOLLOW_RATES: Final = TableSpec("follow_rates", (
    TASK, MODEL, SETTING, columns.words("Group", "language_group"),
    Column("Unseen language", lambda row: text_cell(language_name(row["eval_language"]))),
    Column("Shares", _shared_cell),
    columns.estimates("Follow rate", "follow_rate", NumberFormat(2), bold=columns.excludes_zero),
))  # fmt: skip


def source_matrices(frame: pd.DataFrame) -> tuple[Table, ...]:
    """Returns the gains from every training language to every evaluation language, per task, model and setting."""
    return tuple(_source_matrix(rows) for _, rows in frame.groupby(["task", "model", "setting"], sort=False))


def _source_matrix(rows: pd.DataFrame) -> Table:
    rows = comparable(rows)
    first = rows.iloc[0]
    gain_metric = metric(str(first["metric"]))
    gains = {(row["source"], row["target"]): row for row in rows.to_dict("records")}
    strongest = float(rows["gain"].abs().max()) or 1.0
    targets = sorted(rows["target"].unique(), key=language_order)

    def gain_cell(source: str, target: str) -> Cell:
        row = gains.get((source, target))
        cell = columns.gain_cell(row, "gain", columns.is_discovery)
        return replace(cell, heat=row["gain"] / strongest) if row else cell

    lines = [
        (text_cell(language_name(source)), *(gain_cell(source, target) for target in targets))
        for source in sorted(rows["source"].unique(), key=language_order)
    ]
    kind = ", mixed tasks" if first["setting"] == "multi" else ""
    caption = (
        f"Gain over n = 0 in {gain_metric.unit} at n = {first['samples_per_language']:,}. Rows: the language added "
        "to English in training. Columns: the evaluation language. Bold: q is below 5%."
    )
    title = f"{task_label(str(first['task']))}, {first['model']}{kind}"
    heads = ("Trained on", *map(language_name, targets))
    return Table("source_to_target", title, caption, heads, tuple(lines))
