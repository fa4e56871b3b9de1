"""Reads scores and item scores from MLflow."""

import csv
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clt_ray.tracking import names
from clt_ray.tracking.client import connect, reachable
from clt_ray.tracking.experiment import find_experiment, search_runs


def read_scores(tracking_uri: str, sweep_name: str) -> list[dict[str, Any]]:
    """Returns the scores of a sweep's finished runs as rows with the columns of scores.csv.

    Reads metrics and params only, one query per 500 runs. Rows are sorted by run, task, language and metric.

    Raises:
        TrackerUnavailable: MLflow does not answer.
    """
    rows: list[dict[str, Any]] = []
    with reachable(tracking_uri), _without_garbage_collection():
        for run in _finished(connect(tracking_uri), sweep_name):
            rows += _rows(run)
    return sorted(rows, key=lambda row: (row["run_id"], row["task"], row["eval_language"], row["metric"]))


def read_items(tracking_uri: str, sweep_name: str) -> list[dict[str, Any]]:
    """Returns the score of every test item of a sweep's finished runs as rows with the columns of items.csv.

    Raises:
        TrackerUnavailable: MLflow does not answer.
    """
    rows: list[dict[str, Any]] = []
    with reachable(tracking_uri), TemporaryDirectory(prefix="clt-ray-items-") as folder:
        client = connect(tracking_uri)
        for run in _finished(client, sweep_name):
            target = Path(folder, run.info.run_id)
            target.mkdir()
            path = client.download_artifacts(run.info.run_id, "items.csv", str(target))
            with open(path, newline="", encoding="utf-8") as file:
                rows += [{**row, "score": float(row["score"])} for row in csv.DictReader(file)]
    return rows


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Turns the cyclic garbage collector off.

    MLflow creates 70 objects per run, and each collection visits all of them, which takes longer than the queries.
    The objects form no reference cycles, so nothing accumulates.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _finished(client: Any, sweep_name: str) -> Iterator[Any]:
    """Yields the finished child runs of a sweep, one per run id."""
    experiment = find_experiment(client, sweep_name)
    if experiment is None:
        return
    seen: set[str] = set()
    for run in search_runs(client, experiment, f"{names.tag_filter(kind='run')} AND attributes.status = 'FINISHED'"):
        # A child run that a user deleted is created again, so there are two once the experiment is restored.
        run_id = run.data.tags[names.RUN_ID]
        if run_id not in seen:
            seen.add(run_id)
            yield run


def _rows(run: Any) -> Iterator[dict[str, Any]]:
    params, metrics = run.data.params, run.data.metrics
    for name, value in metrics.items():
        parsed = names.parse_score_metric(name)
        if parsed is None or parsed[2] == names.ITEMS or name.endswith((names.STDERR, names.METRIC_ITEMS)):
            continue
        # NaN: an earlier judge gave this rating, the last one did not.
        if isnan(value) and names.is_rating(name):
            continue
        task, language, metric = parsed
        yield {
            "run_id": run.data.tags[names.RUN_ID],
            **{name: params[name] for name in ("model", "setting", "task", "language_group", "train_languages")},
            # The param names all tasks of the run, this row has the score of one.
            "task": task,
            names.SAMPLES: int(params[names.SAMPLES]),
            "seed": int(params["seed"]),
            "eval_language": language,
            "metric": metric,
            "score": value,
            "stderr": metrics.get(name + names.STDERR),
            "n_items": int(
                metrics.get(name + names.METRIC_ITEMS) or metrics[names.score_metric(task, language, names.ITEMS)]
            ),
        }
