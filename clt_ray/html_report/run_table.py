"""The table of all runs, with their states, errors and links to MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pandas as pd

from clt_ray.analysis.labels import natural_sort_key
from clt_ray.analysis.metrics import task_order
from clt_ray.html_report.columns import MODEL, SAMPLES, SEED, Cell, Column, Row, Table, TableSpec, text_cell, words
from clt_ray.redaction import redacted_text, without_credentials

_HTTP = ("http://", "https://")


def run_table(scores: pd.DataFrame, runs: Sequence[Mapping[str, Any]], mlflow_url: str | None) -> Table:
    """Returns every run that was planned (see `build.ReportData.runs`) or has scores, with its state and a link."""
    facts: dict[str, dict[str, Any]] = {}
    for run_id, rows in scores.groupby("run_id", sort=False):
        first: dict[Any, Any] = rows.iloc[0].to_dict()
        facts[str(run_id)] = {**first, "task": "+".join(sorted(rows["task"].unique(), key=task_order))}
    for run in runs:
        described = facts.setdefault(str(run["run_id"]), dict(run))
        described |= {name: run[name] for name in ("state", "error", "url") if run.get(name)}
    columns = (
        MODEL, Column("Task", lambda row: text_cell(str(row["task"]), str(task_order(str(row["task"]))))),
        words("Language group", "language_group"), SAMPLES, SEED, Column("State", _state_cell),
        Column("Run id", lambda row: Cell(row["run_id"], row["run_id"], code=True, link=_link(row, mlflow_url))),
    )  # fmt: skip
    names = ["run_id", "model", "task", "language_group", "samples_per_language", "seed", "state", "error", "url"]
    ordered = [{name: fact.get(name) for name in names} for fact in sorted(facts.values(), key=_reading_order)]
    table = TableSpec("runs", columns).of(pd.DataFrame(ordered, columns=names, dtype=object))
    return replace(table, name="")


def _state_cell(row: Row) -> Cell:
    state = str(row["state"] or "finished")
    return Cell(state, state, note=redacted_text(str(row["error"] or "")), strong=state != "finished")


def _reading_order(fact: Mapping[str, Any]) -> tuple[Any, ...]:
    tasks = str(fact["task"]).split("+")
    group = str(fact["language_group"])
    design = natural_sort_key(str(fact["model"])), len(tasks), task_order(tasks[0]), group != "none", group
    return (*design, int(fact["samples_per_language"]), int(fact["seed"]))


def _link(row: Row, mlflow_url: str | None) -> str:
    """Returns the address of the run's own page, or of a search for it in the experiment's page, if it is http."""
    address = without_credentials(str(row["url"] or ""))
    if address.startswith(_HTTP):
        return address
    experiment = without_credentials(mlflow_url or "")
    if experiment.startswith(_HTTP):
        search = quote(f"tags.`clt.run_id` = '{row['run_id']}'", safe="")
        return f"{experiment}{'&' if '?' in experiment else '?'}searchFilter={search}"
    return ""
