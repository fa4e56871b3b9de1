"""One run in MLflow, and the calls that bring it from what it says to what it should say."""

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
"""MLflow takes 1000 metrics, params and tags per call, all together."""

ONCE_STEP = 0
"""Step of metrics with one value; MLflow draws a metric as bars when it has no later step, and else as a line."""


@dataclass(frozen=True)
class Cursor:
    """How far a run has been mirrored: the content of its tag `clt.mirrored`."""

    steps: Mapping[str, int]
    """Last step that is in MLflow, by log."""
    done: bool
    """Whether a finished run's test metrics and artifacts are there too."""
    judged: str = ""
    """The judging whose ratings are there too; empty when there is none."""

    @classmethod
    def decode(cls, tag: str | None) -> Cursor:
        values = json.loads(tag) if tag else {}
        done, judged = bool(values.pop("done", False)), str(values.pop("judged", ""))
        return cls({log: int(step) for log, step in values.items()}, done, judged)

    def encode(self) -> str:
        return json.dumps({**self.steps, "done": self.done} | ({"judged": self.judged} if self.judged else {}))


@dataclass(frozen=True)
class Entry:
    """Metrics that go in one call, and how far the run is mirrored after it."""

    metrics: Sequence[Any]
    """`mlflow.entities.Metric` objects."""
    cursor: Cursor


def push(
    client: Any,
    child: Any,
    params: Mapping[str, str],
    told: Projection,
    texts: Callable[[], Mapping[str, str]],
    trusted: bool,
) -> str:
    """Make a run in MLflow say what `told` says.

    Args:
        client: An `mlflow.MlflowClient`.
        child: The `mlflow.entities.Run`.
        params: Logged once, since params never change.
        told: What the run's directory says.
        texts: Reads the artifacts of a finished run: content by path.
        trusted: Whether MLflow certainly has no metrics that the run's cursor does not know of.

    Returns:
        The run's `clt.mirrored` tag after it.
    """
    from mlflow.entities import Param, RunTag

    run_id, before = child.info.run_id, child.data.tags
    cursor = Cursor.decode(before.get(names.CURSOR))
    if told.finished:
        _log_texts(client, run_id, texts())
    missing = [Param(name, value) for name, value in params.items() if name not in child.data.params]
    entries = _packed(_entries(client, child, cursor, told, trusted), cursor)
    for index, entry in enumerate(entries):
        tags = {names.CURSOR: entry.cursor.encode()}
        if index == len(entries) - 1:
            cursor = Cursor(entry.cursor.steps, told.finished, told.judged)
            tags = {**told.tags, names.CURSOR: cursor.encode()}
        changed = [RunTag(name, value) for name, value in tags.items() if before.get(name) != value]
        if entry.metrics or missing or changed:
            client.log_batch(run_id, metrics=entry.metrics, params=missing, tags=changed)
        missing = []
    if names.ERROR in before and names.ERROR not in told.tags:
        client.delete_tag(run_id, names.ERROR)
    _set_status(client, child, told)
    return cursor.encode()


def _entries(client: Any, child: Any, cursor: Cursor, told: Projection, trusted: bool) -> Iterator[Entry]:
    """Everything that MLflow lacks, a metric point at a time, in the order in which it is to be logged."""
    from mlflow.entities import Metric

    steps = dict(cursor.steps)
    for log, points in told.points.items():
        new = [point for point in points if point.step > cursor.steps.get(log, -1)]
        for point in new if trusted else _not_logged(client, child.info.run_id, new):
            milliseconds = int(point.time * 1000)
            metrics = [Metric(name, point.metrics[name], milliseconds, point.step) for name in sorted(point.metrics)]
            *rest, last = _split(metrics)
            for part in rest:
                yield Entry(part, Cursor(dict(steps), False))
            steps[log] = point.step
            yield Entry(last, Cursor(dict(steps), False))
        if new:
            steps[log] = new[-1].step
    milliseconds = int(told.updated * 1000)
    once = [
        Metric(name, value, milliseconds, ONCE_STEP)
        for name, value in told.once.items()
        if name not in child.data.metrics
    ]
    if told.judged != cursor.judged:
        # Later than those of the judge before, so that MLflow shows these.
        milliseconds = int(told.judged_at * 1000)
        # MLflow deletes no metric: what only that one could rate becomes not a number.
        gone = {name: nan for name in child.data.metrics if names.is_rating(name)}
        ratings = gone | dict(told.ratings)
        once += [Metric(name, value, milliseconds, ONCE_STEP) for name, value in ratings.items()]
    for part in _split(once):
        yield Entry(part, Cursor(dict(steps), False))


def _packed(entries: Iterator[Entry], cursor: Cursor) -> list[Entry]:
    """As few calls as the limit allows, at least one."""
    calls = [Entry([], cursor)]
    for entry in entries:
        together = [*calls[-1].metrics, *entry.metrics]
        if len(together) <= METRICS_PER_CALL:
            calls[-1] = Entry(together, entry.cursor)
        else:
            calls.append(entry)
    return calls


def _split(metrics: Sequence[Any]) -> list[Sequence[Any]]:
    starts = range(0, max(len(metrics), 1), METRICS_PER_CALL)
    return [metrics[start : start + METRICS_PER_CALL] for start in starts]


def _not_logged(client: Any, run_id: str, points: Sequence[MetricPoint]) -> list[MetricPoint]:
    """Points that MLflow does not have, judged by the metric of each that is logged last."""
    logged: dict[str, set[int]] = {}
    for name in {max(point.metrics) for point in points if point.metrics}:
        logged[name] = {metric.step for metric in client.get_metric_history(run_id, name)}
    return [point for point in points if point.metrics and point.step not in logged[max(point.metrics)]]


def _log_texts(client: Any, run_id: str, texts: Mapping[str, str]) -> None:
    with TemporaryDirectory(prefix="clt-ray-artifacts-") as folder:
        for path, text in texts.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        client.log_artifacts(run_id, folder)


def _set_status(client: Any, child: Any, told: Projection) -> None:
    if child.info.status == told.status:
        return
    if told.status == "RUNNING":
        client.update_run(child.info.run_id, status="RUNNING")
    else:
        client.set_terminated(child.info.run_id, told.status, int(told.updated * 1000))
