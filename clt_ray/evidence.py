"""What the finished runs of sweeps measured, read from the store for the analysis.

sweeps = clt_ray.open_sweeps(["sweeps/smoke.yaml"])
study = evidence.study(sweeps)              # scores and item scores: every measure of clt_ray.analysis
logs = evidence.run_logs(sweeps)            # losses and gradient agreement over the steps of each run
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.opened import OpenSweep
from clt_ray.store import Store

if TYPE_CHECKING:
    from clt_ray.analysis.mechanisms import Mechanisms
    from clt_ray.analysis.run_log import RunLog
    from clt_ray.analysis.study import Study

Rows = list[dict[str, str]]
"""Rows of a CSV file, values as text."""


def finished_rows(store: Store, run_ids: Iterable[str], file: str) -> Rows:
    """Returns the rows of a CSV file of those runs that are finished and have the file."""
    rows: Rows = []
    for run_id in run_ids:
        directory = store.run_dir(run_id)
        if directory.is_finished() and directory.exists(file):
            rows += csv.DictReader(io.StringIO(directory.read_text(file)))
    return rows


def score_rows(sweeps: Sequence[OpenSweep]) -> Rows:
    """Returns scores and ratings of the finished runs of sweeps in the columns of scores.csv, each run once."""
    return _rows(sweeps, "scores.csv")


def item_rows(sweeps: Sequence[OpenSweep]) -> Rows:
    """Returns scores and ratings of every test item of the finished runs in the columns of items.csv."""
    return _rows(sweeps, "items.csv")


def _rows(sweeps: Sequence[OpenSweep], name: str) -> Rows:
    if not sweeps:
        return []
    run_ids = list(dict.fromkeys(run.run_id for sweep in sweeps for run in sweep.runs))
    return [row for file in (name, f"judge/{name}") for row in finished_rows(sweeps[0].store, run_ids, file)]


def study(sweeps: Sequence[OpenSweep]) -> Study:
    """Returns the study that the finished runs of sweeps are, with their item scores.

    Raises:
        ConfigurationError: No run is finished, or the runs' scores contradict each other.
    """
    from clt_ray.analysis.loading import load_items, load_scores
    from clt_ray.analysis.study import Study

    if not (rows := score_rows(sweeps)):
        raise no_finished_run(sweeps)
    return Study.of(load_scores(rows), load_items(item_rows(sweeps)))


def no_finished_run(sweeps: Sequence[OpenSweep], of: str = "it") -> ConfigurationError:
    """Returns the error of sweeps without a finished run, or without one of a task."""
    files = " ".join(sweep.file for sweep in sweeps)
    message = f"no run of {of} is finished"
    return ConfigurationError([Problem(files, "", None, message, f"clt-ray run {sweeps[0].file}")])


def run_logs(sweeps: Sequence[OpenSweep]) -> list[RunLog]:
    """Returns what the finished runs of sweeps recorded while they trained, each run once."""
    from clt_ray.analysis.run_log import run_log

    logs: dict[str, RunLog] = {}
    for run, store in ((run, sweep.store) for sweep in sweeps for run in sweep.runs):
        directory = store.run_dir(run.run_id)
        description = directory.run()
        if run.run_id in logs or description is None or not directory.is_finished():
            continue
        validation, gradient_agreement = (
            [(point.step, point.metrics) for point in directory.metrics(log)] for log in ("validation", "interference")
        )
        logs[run.run_id] = run_log(description.to_dict(), run.run_id, validation, gradient_agreement)
    return list(logs.values())


def mechanisms(sweeps: Sequence[OpenSweep]) -> Mechanisms:
    """Returns loss trajectories, gradient agreement and their relation to interference for the finished runs.

    Raises:
        ConfigurationError: The runs' scores contradict each other.
    """
    from clt_ray.analysis.comparisons import interference
    from clt_ray.analysis.mechanisms import mechanisms as measure

    table = interference(study(sweeps)) if score_rows(sweeps) else None
    return measure(run_logs(sweeps), table)
