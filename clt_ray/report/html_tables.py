"""Tables of the page as plain rows of cells, so that the template only lays them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from clt_ray.analysis.curve_labels import CURVE_COLUMNS, curve_labels
from clt_ray.analysis.display_order import language_list, language_name, language_order, natural_sort_key
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.tables import MEAN
from clt_ray.redaction import redacted_text, without_credentials
from clt_ray.report.text import NOTHING, number, p_value, percent


@dataclass(frozen=True)
class Cell:
    """One cell: what is shown, and what it is sorted by."""

    text: str
    sort: float | str
    note: str = ""
    """Small second line: an interval."""
    strong: bool = False
    numeric: bool = False
    code: bool = False
    """Shown in a fixed-width face, as ids are."""
    link: str = ""
    heat: float | None = None
    """Tint of the background, -1 to 1; None for none."""


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    name: str
    """Its CSV file is `tables/<name>.csv`; empty for none."""
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def text(value: str, sort: float | str | None = None) -> Cell:
    return Cell(value, value.lower() if sort is None else sort)


def quantity(
    value: float,
    low: float,
    high: float,
    factor: float,
    digits: int,
    *,
    signed: bool = False,
    strong: bool = False,
    heat: float | None = None,
) -> Cell:
    """A number with its interval below."""
    note = "" if not np.isfinite(low) else f"{number(low * factor, digits)} to {number(high * factor, digits)}"
    shown = number(value * factor, digits, signed=signed)
    return Cell(shown, value * factor if np.isfinite(value) else -np.inf, note, strong, numeric=True, heat=heat)


def difference(row: Mapping[Any, Any], name: str, strong: bool) -> Cell:
    """A difference of scores of the row's metric, with its sign and interval."""
    about = metric(row["metric"])
    return quantity(row[name], row["low"], row["high"], about.shown_factor, about.digits, signed=True, strong=strong)


def is_clear(row: Mapping[Any, Any]) -> bool:
    """Whether the interval excludes zero."""
    return bool(row["low"] > 0 or row["high"] < 0)


def q_cell(q: float) -> Cell:
    """A corrected p value."""
    return Cell(p_value(q), q if np.isfinite(q) else np.inf, numeric=True)


def curve_cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    """Task, model, setting and training languages."""
    trained = row.get("train_languages", "")
    return (
        text(task_label(row["task"]), task_order(row["task"])[0]),
        text(row["model"], str(natural_sort_key(row["model"]))),
        text("mixed" if row["setting"] == "multi" else "single"),
        text(language_list(trained.split("+")) if trained else "English only"),
    )


def count(value: int) -> Cell:
    return Cell(f"{value:,}", float(value), numeric=True)


def summary(gains: pd.DataFrame, relative: pd.DataFrame, gaps: pd.DataFrame) -> Table:
    """One row per curve: what its largest n brought."""
    rows = []
    means = gains[gains["eval_language"] == MEAN]
    # Indexed once: a sweep may have thousands of curves.
    keys = ["task", *CURVE_COLUMNS]
    gained = {tuple(map(str, (*group, kind))): part.iloc[-1]
              for (*group, kind), part in means.groupby([*keys, "exposure"], sort=False)}  # fmt: skip
    related = {tuple(map(str, group)): part for group, part in relative.groupby(keys, sort=False)}
    gapped = {tuple(map(str, group)): part.iloc[-1] for group, part in gaps.groupby(keys, sort=False)}
    for key, part in related.items():
        last = part.iloc[-1]
        about = metric(last["metric"])
        row = [
            text(task_label(key[0]), task_order(key[0])[0]),
            text(last["model"], str(natural_sort_key(last["model"]))),
        ]
        row.append(text("mixed" if last["setting"] == "multi" else "single"))
        row.append(
            text(language_list(last["train_languages"].split("+")) if last["train_languages"] else "English only")
        )
        row.append(count(int(last["samples_per_language"])))
        row += [_gain_cell(gained.get((*key, kind)), about.shown_factor, about.digits) for kind in ("seen", "unseen")]
        gap = gapped[key]
        row.append(quantity(gap["gap"], gap["gap_low"], gap["gap_high"], about.shown_factor, about.digits, signed=True))
        first = part.iloc[0]
        before = f"{percent(first['relative_to_english'])} → " if first["samples_per_language"] == 0 else ""
        row.append(Cell(before + percent(last["relative_to_english"]), last["relative_to_english"], numeric=True))
        rows.append(tuple(row))
    caption = (
        "Every curve at its largest n, against n = 0. Gains and gaps in points; judge ratings on their 1–5 scale. "
        "A gain is bold where its 95% interval excludes zero."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Gain, seen", "Gain, unseen", "Seen − unseen",
             "Relative to English")  # fmt: skip
    return Table("gain", caption, heads, tuple(rows))


def languages(table: pd.DataFrame, task: str) -> Table:
    """Scores of a task: one row per curve and n, one column per language.

    Bold is the best n of a curve in a language, where it and the runner-up lie outside each other's intervals.
    """
    rows_of_task = table[table["task"] == task]
    about = metric(str(rows_of_task["metric"].iloc[0]))
    labels = curve_labels(rows_of_task)
    codes = sorted(rows_of_task["eval_language"].unique(), key=language_order)
    rows = []
    for (model, setting, _, group, trained), part in rows_of_task.groupby(CURVE_COLUMNS, sort=False):
        label = labels[(str(model), str(setting), str(group), str(trained))]
        best = {code: _clear_best(part[part["eval_language"] == code]) for code in codes}
        for samples, point in part.groupby("samples_per_language", sort=True):
            found = point.set_index("eval_language")
            row = [text(label), count(int(str(samples)))]
            for code in codes:
                if code not in found.index:
                    row.append(Cell(NOTHING, -np.inf, numeric=True))
                    continue
                cell = found.loc[code]
                row.append(quantity(cell["score"], cell["low"], cell["high"], about.shown_factor, about.digits,
                                    strong=best[code] == int(str(samples))))  # fmt: skip
            rows.append(tuple(row))
    caption = (
        f"{task_label(task)}: {about.label}, {about.unit}, with 95% intervals where known. "
        "Bold: the best n of a curve, where it and the runner-up lie outside each other's intervals."
    )
    heads = ("Runs", "n", *(language_name(code) for code in codes))
    return Table("per_language", caption, heads, tuple(rows))


def correlations(table: pd.DataFrame) -> Table:
    """Rank correlation of seen and unseen per curve."""
    rows = []
    for row in table.to_dict("records"):
        rows.append(
            (
                text(task_label(row["task"]), task_order(row["task"])[0]),
                text(row["model"], str(natural_sort_key(row["model"]))),
                text("mixed" if row["setting"] == "multi" else "single"),
                text(language_list(row["train_languages"].split("+"))),
                count(row["n"]),
                quantity(row["spearman"], row["low"], row["high"], 1, 2, strong=row["low"] > 0 or row["high"] < 0),
                Cell(p_value(row["p"]), row["p"], numeric=True),
            )
        )
    caption = (
        "Spearman correlation of the seen and the unseen mean over the runs of a curve, n = 0 included. "
        "Bold where the interval excludes zero."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "Runs", "Spearman ρ", "p")
    return Table("transfer_correlation", caption, heads, tuple(rows))


def run_table(scores: pd.DataFrame, runs: Sequence[Mapping[str, Any]], mlflow_url: str | None) -> Table:
    """Every run that was planned or has scores, in reading order, with its state and id."""
    told = {str(run["run_id"]): run for run in runs}
    facts: dict[str, dict[str, Any]] = {}
    for run_id, part in scores.groupby("run_id", sort=False):
        first = part.iloc[0]
        facts[str(run_id)] = {**first.to_dict(), "task": "+".join(sorted(part["task"].unique(), key=task_order))}  # type: ignore[dict-item]
    for run_id, run in told.items():
        facts.setdefault(run_id, dict(run))
    rows = []
    for run_id in sorted(facts, key=lambda run_id: _run_order(facts[run_id])):
        fact, run = facts[run_id], told.get(run_id, {})
        state = str(run.get("state") or "finished")
        rows.append(
            (
                text(str(fact["model"]), str(natural_sort_key(str(fact["model"])))),
                text(str(fact["task"]), str(task_order(str(fact["task"])))),
                text(str(fact["language_group"])),
                count(int(fact["samples_per_language"])),
                count(int(fact["seed"])),
                Cell(state, state, note=redacted_text(str(run.get("error") or "")), strong=state != "finished"),
                Cell(run_id, run_id, code=True, link=_run_link(run_id, run, mlflow_url)),
            )
        )
    heads = ("Model", "Task", "Language group", "n", "Seed", "State", "Run id")
    return Table("", "All runs. n is samples per non-English language and task.", heads, tuple(rows))


def _gain_cell(row: pd.Series | None, factor: float, digits: int) -> Cell:
    if row is None:
        return Cell(NOTHING, -np.inf, numeric=True)
    clear = bool(row["low"] > 0 or row["high"] < 0)
    return quantity(row["gain"], row["low"], row["high"], factor, digits, signed=True, strong=clear)


def _clear_best(rows: pd.DataFrame) -> int | None:
    """n of the best score, if it and the second best each lie outside the other's interval."""
    ranked = rows.sort_values("score", ascending=False)
    if len(ranked) < 2:
        return None
    first, second = ranked.iloc[0], ranked.iloc[1]
    if not (first["low"] > second["score"] and first["score"] > second["high"]):
        return None
    return int(ranked["samples_per_language"].iloc[0])


def _run_order(fact: Mapping[str, Any]) -> tuple[Any, ...]:
    tasks = str(fact["task"]).split("+")
    return (
        natural_sort_key(str(fact["model"])),
        len(tasks),
        task_order(tasks[0]),
        str(fact["language_group"]) != "none",
        str(fact["language_group"]),
        int(fact["samples_per_language"]),
        int(fact["seed"]),
    )


def _run_link(run_id: str, run: Mapping[str, Any], mlflow_url: str | None) -> str:
    """Address of the run's own page, or of a search for it in the experiment's page; only http addresses are linked."""
    address = without_credentials(str(run.get("url") or ""))
    if address.startswith(("http://", "https://")):
        return address
    if mlflow_url and mlflow_url.startswith(("http://", "https://")):
        experiment = without_credentials(mlflow_url)
        search = quote(f"tags.`clt.run_id` = '{run_id}'", safe="")
        return f"{experiment}{'&' if '?' in experiment else '?'}searchFilter={search}"
    return ""
