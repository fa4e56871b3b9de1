"""The monitor reads many runs with few requests, and survives an outage of the store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pytest

from clt_ray.orchestration.monitor import Monitor, SweepSnapshot
from clt_ray.store import StatusDocument, Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.sweeps import sweep, write


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunSpec, ...]:
    return expand(load_sweep(write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [0, 2, 4]}))))


def begin(store: Store, runs: Sequence[RunSpec], step: int) -> None:
    for run in runs:
        status = StatusDocument(state="running", attempt=1, stage="train", step=step, total_steps=9)
        store.run_dir(run.run_id).write_status(status)


def test_an_outage_of_the_store_is_logged_once_and_survived(
    runs: tuple[RunSpec, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = tmp_path / "store"
    store = Store(str(storage))
    shown: list[SweepSnapshot] = []
    monitor = Monitor(runs, 0, len(runs), store, shown.append, None)
    begin(store, runs, step=1)
    for run in runs:
        monitor.started(run.run_id)
    assert {run.step for run in monitor.poll().running} == {1}
    # A folder that cannot be entered fails every read, for every user, as a lost mount does.
    (storage / "runs").rename(storage / "away")
    (storage / "runs").symlink_to(storage / "runs")
    monitor.ended(runs[0].run_id)
    with caplog.at_level(logging.WARNING):
        assert {run.step for run in monitor.poll().running} == {1}
        assert len(monitor.poll().running) == 3
    assert [record.message for record in caplog.records if "does not answer" in record.message] == [
        caplog.records[0].message
    ]
    (storage / "runs").unlink()
    (storage / "away").rename(storage / "runs")
    begin(store, runs, step=5)
    # The run that ended during the outage is read as well.
    assert {run.step for run in monitor.poll().running} == {5}


def test_a_poll_reads_all_runs_together(runs: tuple[RunSpec, ...]) -> None:
    store = Store("memory://monitor/polls")
    monitor = Monitor(runs, 0, len(runs), store, lambda snapshot: None, None)
    begin(store, runs, step=2)
    for run in runs:
        monitor.started(run.run_id)
    assert len(monitor.poll().running) == 3
    fsspec.filesystem("memory").rm("/monitor", recursive=True)
