"""Brings one child run in MLflow up to date with its run directory, in as few calls as MLflow's limits allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clt_ray.store import MetricPoint
from clt_ray.tracking import names
from clt_ray.tracking.projection import Projection

METRICS_PER_CALL = 900
"""Most metrics logged in one call. MLflow accepts 1000 metrics, params and tags in all."""

SINGLE_VALUE_STEP = 0
"""Step of metrics with a single value. MLflow draws a metric without later steps as bars, any other as a line."""


@dataclass(frozen=True)
class Cursor:
    """Which part of a run is in MLflow already; the content of the tag `clt.mirrored`."""

    steps: Mapping[str, int]
    """Last step that is in MLflow, by log."""
    done: bool
    """Whether the test metrics and artifacts of a finished run are in MLflow too."""
    judged: str = ""
    """Identifies the judgement whose ratings are in MLflow; empty when there are none."""

    @classmethod
    def decode(cls, tag: str | None) -> Cursor:
        """Returns the cursor that a tag's value encodes; that of an empty run for None."""
        values = json.loads(tag) if tag else {}
        done, judged = bool(values.pop("done", False)), str(values.pop("judged", ""))
        return cls({log: int(step) for log, step in values.items()}, done, judged)

    def encode(self) -> str:
        return json.dumps({**self.steps, "done": self.done} | ({"judged": self.judged} if self.judged else {}))


@dataclass(frozen=True)
class Batch:
    """Metrics that are logged in one call, and the cursor that is true after that call."""

    metrics: Sequence[Any]
    """`mlflow.entities.Metric` objects."""
    cursor: Cursor


def push(
    client: Any,
    child: Any,
    params: Mapping[str, str],
    projection: Projection,
    read_artifacts: Callable[[], Mapping[str, str]],
    trusted: bool,
) -> str:
    """Logs what a projection has and a child run lacks; returns the new value of the run's `clt.mirrored` tag.

    Args:
        client: An `mlflow.MlflowClient`.
        child: The child run, an `mlflow.entities.Run`.
        params: The run's params; those that MLflow has already are not logged again.
        projection: What MLflow should say about the run.
        read_artifacts: Returns the artifacts of a run, text by path; called for finished runs only.
        trusted: Whether the run's cursor is known to cover every metric in MLflow.
    """
    from mlflow.entities import Param, RunTag

    run_id, current_tags = child.info.run_id, child.data.tags
    cursor = Cursor.decode(current_tags.get(names.CURSOR))
    if projection.finished:
        with TemporaryDirectory(prefix="clt-ray-artifacts-") as folder:
            for path, text in read_artifacts().items():
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            client.log_artifacts(run_id, folder)
    missing_params = [Param(name, value) for name, value in params.items() if name not in child.data.params]
    batches = _packed(_missing_metrics(client, child, cursor, projection, trusted), cursor)
    for index, batch in enumerate(batches):
        tags = {names.CURSOR: batch.cursor.encode()}
        if index == len(batches) - 1:
            cursor = Cursor(batch.cursor.steps, projection.finished, projection.judged)
            tags = {**projection.tags, names.CURSOR: cursor.encode()}
        changed_tags = [RunTag(name, value) for name, value in tags.items() if current_tags.get(name) != value]
        if batch.metrics or missing_params or changed_tags:
            client.log_batch(run_id, metrics=batch.metrics, params=missing_params, tags=changed_tags)
        missing_params = []
    if names.ERROR in current_tags and names.ERROR not in projection.tags:
        client.delete_tag(run_id, names.ERROR)
    if child.info.status != projection.status:
        if projection.status == "RUNNING":
            client.update_run(run_id, status="RUNNING")
        else:
            client.set_terminated(run_id, projection.status, int(projection.updated * 1000))
    return cursor.encode()


def _missing_metrics(client: Any, child: Any, cursor: Cursor, projection: Projection, trusted: bool) -> Iterator[Batch]:
    from mlflow.entities import Metric

    steps = dict(cursor.steps)
    for log, points in projection.points.items():
        new_points = [point for point in points if point.step > cursor.steps.get(log, -1)]
        for point in new_points if trusted else _not_logged(client, child.info.run_id, new_points):
            milliseconds = int(point.time * 1000)
            metrics = [Metric(name, point.metrics[name], milliseconds, point.step) for name in sorted(point.metrics)]
            *earlier_parts, last_part = _split(metrics)
            for part in earlier_parts:
                yield Batch(part, Cursor(dict(steps), False))
            steps[log] = point.step
            yield Batch(last_part, Cursor(dict(steps), False))
        if new_points:
            steps[log] = new_points[-1].step
    milliseconds = int(projection.updated * 1000)
    single_values = [
        Metric(name, value, milliseconds, SINGLE_VALUE_STEP)
        for name, value in projection.single_values.items()
        if name not in child.data.metrics
    ]
    if projection.judged != cursor.judged:
        # MLflow shows the value with the latest timestamp, so the new judge's ratings replace those of the last one.
        milliseconds = int(projection.judged_at * 1000)
        # MLflow cannot delete a metric, so ratings that only the last judge gave become NaN.
        withdrawn = {name: nan for name in child.data.metrics if names.is_rating(name)}
        ratings = withdrawn | dict(projection.ratings)
        single_values += [Metric(name, value, milliseconds, SINGLE_VALUE_STEP) for name, value in ratings.items()]
    for part in _split(single_values):
        yield Batch(part, Cursor(dict(steps), False))


def _packed(batches: Iterator[Batch], cursor: Cursor) -> list[Batch]:
    """Merges batches into as few as MLflow's limit allows, and at least one."""
    packed = [Batch([], cursor)]
    for batch in batches:
        merged = [*packed[-1].metrics, *batch.metrics]
        if len(merged) <= METRICS_PER_CALL:
            packed[-1] = Batch(merged, batch.cursor)
        else:
            packed.append(batch)
    return packed


def _split(metrics: Sequence[Any]) -> list[Sequence[Any]]:
    starts = range(0, max(len(metrics), 1), METRICS_PER_CALL)
    return [metrics[start : start + METRICS_PER_CALL] for start in starts]


def _not_logged(client: Any, run_id: str, points: Sequence[MetricPoint]) -> list[MetricPoint]:
    # The metrics of a point are logged in alphabetical order, so a point is complete when its last metric is there.
    last_names = {max(point.metrics) for point in points if point.metrics}
    logged_steps = {name: {metric.step for metric in client.get_metric_history(run_id, name)} for name in last_names}
    return [point for point in points if point.metrics and point.step not in logged_steps[max(point.metrics)]]
