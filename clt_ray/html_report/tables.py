"""Tables of the page that are more than the rows of one measure's frame."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import pandas as pd

from clt_ray.analysis.labels import CURVE_COLUMNS, curve_labels, key_of, language_name, language_order, natural_sort_key
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report import columns
from clt_ray.html_report.columns import MISSING, Cell, Row, Table, table, text_cell
from clt_ray.html_report.text import number, percent
from clt_ray.redaction import redacted_text, without_credentials

Tables = Mapping[str, pd.DataFrame]
"""Frames of the measures by name."""
CURVE: Final = ["task", *CURVE_COLUMNS]
_HTTP: Final = ("http://", "https://")
_SURELY_WRONG: Final = 0.9
"""A share of answers in the right language is set in bold when its whole interval lies below this."""


def at_largest(frame: pd.DataFrame, keys: Sequence[str] = CURVE) -> pd.DataFrame:
    """Returns the rows of every curve at its largest n."""
    largest = frame.groupby(list(keys), sort=False)["samples_per_language"].transform("max")
    return frame[frame["samples_per_language"] == largest]


def summary(tables: Tables) -> Table:
    """Returns one row per curve with its gain, gap and relative score at the largest n."""
    relative, gains, gaps = (tables[name] for name in ("relative_to_english", "gain", "seen_unseen"))
    curves = relative.groupby(CURVE, sort=False)
    first, frame = curves.nth(0).set_index(CURVE), curves.nth(-1).set_index(CURVE)
    frame = frame.join(first.loc[first["samples_per_language"] == 0, "relative_to_english"].rename("start"))
    for side in ("seen", "unseen"):
        means = gains[(gains["eval_language"] == MEAN) & (gains["exposure"] == side)]
        last = means.groupby(CURVE, sort=False).nth(-1).set_index(CURVE)[["gain", "low", "high"]]
        frame = frame.join(last.add_prefix(f"{side}_"))
    gap = gaps.groupby(CURVE, sort=False).nth(-1).set_index(CURVE)[["gap", "gap_low", "gap_high"]]
    return table("gain", frame.join(gap).reset_index())


def languages(frame: pd.DataFrame, task: str) -> Table:
    """Returns the scores of a task, from `tables.per_language`: one row per curve and n, one column per language."""
    task_rows = frame[frame["task"] == task]
    score_metric = metric(str(task_rows["metric"].iloc[0]))
    labels = curve_labels(task_rows)
    codes = sorted(task_rows["eval_language"].unique(), key=language_order)
    rows = []
    for _, curve in task_rows.groupby(CURVE_COLUMNS, sort=False):
        label = text_cell(labels[key_of(curve.iloc[0])])
        best = {code: _clear_best(curve[curve["eval_language"] == code]) for code in codes}
        for samples, point in curve.groupby("samples_per_language", sort=True):
            scores = {row["eval_language"]: row for row in point.to_dict("records")}
            cells = [
                replace(columns.estimate(scores[code], "score", signed=False), strong=best[code] == samples)
                if code in scores
                else MISSING
                for code in codes
            ]
            rows.append((label, columns.count({"n": samples}, "n"), *cells))
    caption = (
        f"{score_metric.label[:1].upper()}{score_metric.label[1:]} ({score_metric.unit}), with 95% intervals where "
        "available. Bold: the best n of a curve, where it and the runner-up lie outside each other's intervals."
    )
    heads = ("Runs", "n", *map(language_name, codes))
    return Table("per_language", f"{task_label(task)}, scores in every language", caption, heads, tuple(rows))


def _clear_best(rows: pd.DataFrame) -> int | None:
    """Returns the n of the best score if it and the second best each lie outside the other's interval."""
    ranked = rows.sort_values("score", ascending=False)
    if len(ranked) < 2:
        return None
    first, second = ranked.iloc[0], ranked.iloc[1]
    is_clear = first["low"] > second["score"] and first["score"] > second["high"]
    return int(first["samples_per_language"]) if is_clear else None


def left_out(frame: pd.DataFrame) -> Table:
    """Returns the gap of every curve at its largest n, and its extremes over the languages left out."""
    last = at_largest(frame)
    ordered = last.sort_values("gap", kind="stable").groupby(CURVE, sort=False)
    smallest, largest = (ordered.nth(place).set_index(CURVE) for place in (0, -1))
    both = smallest.join(largest[["gap", "low", "high", "left_out"]].add_prefix("largest_"))
    shown = both.loc[last.drop_duplicates(CURVE).set_index(CURVE).index].reset_index()
    return table("leave_one_out", shown.assign(whole_gap=shown["gap"] - shown["change"]))


def fidelity(frame: pd.DataFrame) -> Table:
    """Returns the share of answers in the right language: a row per run, a column per language."""
    codes = sorted(frame["eval_language"].unique(), key=language_order)
    labels = curve_labels(frame)
    rows = []
    for (_, run_ids), part in frame.groupby(["task", "run_ids"], sort=False):
        shares = {row["eval_language"]: _share_cell(row) for row in part.to_dict("records")}
        first, label = part.iloc[0].to_dict(), labels[key_of(part.iloc[0])]
        run = Cell(label, label.lower(), note=str(run_ids))
        cells = [shares.get(code, MISSING) for code in codes]
        rows.append((columns.task(first), run, columns.count(first, "samples_per_language"), *cells))
    caption = (
        "Share of the answers that are in the language of the prompt, with Wilson intervals. Bold: the whole interval "
        f"lies below {percent(_SURELY_WRONG)}."
    )
    heads = ("Task", "Run", "n", *map(language_name, codes))
    return Table("fidelity", "Language fidelity", caption, heads, tuple(rows))


def _share_cell(row: Row) -> Cell:
    interval = f"{number(100 * row['low'], 0)} to {number(100 * row['high'], 0)}"
    return Cell(percent(row["fidelity"]), row["fidelity"], interval, row["high"] < _SURELY_WRONG, numeric=True)


def run_table(scores: pd.DataFrame, runs: Sequence[Mapping[str, Any]], mlflow_url: str | None) -> Table:
    """Returns every run that was planned (see `build.ReportData.runs`) or has scores, with its state and a link."""
    facts: dict[str, dict[str, Any]] = {}
    for run_id, rows in scores.groupby("run_id", sort=False):
        first: dict[Any, Any] = rows.iloc[0].to_dict()
        facts[str(run_id)] = {**first, "task": "+".join(sorted(rows["task"].unique(), key=task_order))}
    for run in runs:
        described = facts.setdefault(str(run["run_id"]), dict(run))
        described |= {name: run[name] for name in ("state", "error", "url") if run.get(name)}
    names = ["run_id", "model", "task", "language_group", "samples_per_language", "seed"]
    ordered = [
        {name: fact[name] for name in names}
        | {"state": str(fact.get("state") or "finished"), "error": redacted_text(str(fact.get("error") or ""))}
        | {"link": _link(fact, mlflow_url)}
        for fact in sorted(facts.values(), key=_reading_order)
    ]
    return replace(table("runs", pd.DataFrame(ordered, dtype=object)), name="")


def _reading_order(fact: Mapping[str, Any]) -> tuple[Any, ...]:
    tasks, group = str(fact["task"]).split("+"), str(fact["language_group"])
    design = natural_sort_key(str(fact["model"])), len(tasks), task_order(tasks[0]), group != "none", group
    return (*design, int(fact["samples_per_language"]), int(fact["seed"]))


def _link(fact: Row, mlflow_url: str | None) -> str:
    """Returns the address of the run's own page, or of a search for it in the experiment's page, if it is http."""
    address, experiment = (without_credentials(str(url or "")) for url in (fact.get("url"), mlflow_url))
    if address.startswith(_HTTP):
        return address
    if experiment.startswith(_HTTP):
        search = quote(f"tags.`clt.run_id` = '{fact['run_id']}'", safe="")
        return f"{experiment}{'&' if '?' in experiment else '?'}searchFilter={search}"
    return ""
