"""The tracker that a running sweep uses: it updates now and then, survives outages, and ends the parent run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import BestEffortTracker, SweepTracker, TrackerUnavailable
from clt_ray.tracking.sweep_tracker import UPDATE_SECONDS
from tests.support.lookups import only_run, runs
from tests.support.run_dirs import SWEEP, finished, spec


class RecordingTracker(SweepTracker):
    """Records which runs it was asked to sync; fails while `available` is False."""

    def __init__(self) -> None:
        self.synced: list[list[int]] = []
        self.available = True

    def sync(self, runs: Any) -> None:
        self.synced.append([run.seed for run in runs])
        if not self.available:
            raise TrackerUnavailable("no answer")

    def finish(self, status: Any, artifacts: Sequence[Path] = ()) -> None:
        raise AssertionError("a tracker that is not up to date was finished")


def some_runs(count: int) -> list[RunSpec]:
    return [spec(seed=seed) for seed in range(count)]


def test_updates_are_rate_limited_and_postponed_runs_are_not_lost() -> None:
    now = [100.0]
    recording = RecordingTracker()
    tracker = BestEffortTracker(recording, clock=lambda: now[0])
    first, second, third = some_runs(3)
    tracker.update([first])
    tracker.update([second])
    tracker.update([second])
    assert recording.synced == [[0]]
    now[0] += UPDATE_SECONDS
    tracker.update([third])
    assert recording.synced == [[0], [1, 2]]
    tracker.update([first], force=True)
    assert recording.synced == [[0], [1, 2], [0]]


def test_an_outage_is_logged_once_and_remembered(caplog: pytest.LogCaptureFixture) -> None:
    recording = RecordingTracker()
    tracker = BestEffortTracker(recording)
    recording.available = False
    first, second = some_runs(2)
    with caplog.at_level(logging.WARNING, logger="clt_ray"):
        tracker.update([first], force=True)
        tracker.update([second], force=True)
    assert [record.getMessage() for record in caplog.records] == [
        "MLflow is not up to date, training continues: no answer"
    ]
    assert tracker.trouble == "no answer"
    tracker.finish("FINISHED")
    recording.available = True
    tracker.update([], force=True)
    assert tracker.trouble is None
    assert recording.synced == [[0], [0, 1], [0, 1]]


def test_a_finished_pilot_ends_its_parent_run_as_finished(
    tracking_uri: str, store: Store, client: Any, tmp_path: Path
) -> None:
    pilot_runs = [finished(store, run) for run in some_runs(2)]
    sweep_file = tmp_path / "sweep.yaml"
    sweep_file.write_text("name: fabricated")
    name = f"{SWEEP}-pilot"
    tracker = BestEffortTracker(SweepTracker(tracking_uri, name, store))
    tracker.update(pilot_runs, force=True)
    tracker.finish("FINISHED", [sweep_file])
    assert tracker.trouble is None
    parent = only_run(client, name, "sweep")
    assert parent.info.run_name == name
    assert parent.info.status == "FINISHED"
    assert [artifact.path for artifact in client.list_artifacts(parent.info.run_id)] == ["sweep.yaml"]
    assert [child.info.status for child in runs(client, name)] == ["FINISHED"] * 2
