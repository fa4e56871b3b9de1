"""MLflow that is slow, or down at the start, in the middle and at the end of a sweep: nothing waits or is lost.

The server is a real one behind a proxy that delays or resets its connections.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clt_ray.store import Store
from clt_ray.tracking.client import connect
from tests.support.commands import Killable, clt_ray, wait_until
from tests.support.fault_proxy import FaultProxy
from tests.support.long_sweep import LONG, assert_equal_stores, write_part
from tests.support.lookups import runs
from tests.support.mlflow_server import mlflow_server

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.long]

LATENCY_SECONDS = 4.0
NAME = "test"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[FaultProxy]:
    with mlflow_server(tmp_path) as port, FaultProxy(port) as started:
        yield started


def tracked(uri: str, run_ids: list[str]) -> dict[str, Any]:
    """Status, artifacts and metrics of some runs in MLflow, by run id, without what differs between equal runs."""
    client = connect(uri)
    found = {}
    for run in runs(client, NAME):
        if run.data.tags["clt.run_id"] in run_ids:
            histories = {
                metric: sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, metric))
                for metric in run.data.metrics
                if not metric.startswith("perf/")
            }
            artifacts = sorted(item.path for item in client.list_artifacts(run.info.run_id))
            found[run.data.tags["clt.run_id"]] = (run.info.status, artifacts, histories)
    return found


def test_a_slow_tracker_slows_no_run(unbroken_sweep: Path, tmp_path: Path, proxy: FaultProxy) -> None:
    path, (first, second) = write_part(tmp_path / "sweep.yaml", [0, 1])
    storage = tmp_path / "store"
    proxy.latency_seconds = LATENCY_SECONDS
    running = Killable("run", path, "--tracking-uri", proxy.url, storage=storage)
    for run in (first, second):
        running.wait_for_stage("finished", storage, run.run_id)
    assert proxy.requests
    proxy.latency_seconds = 0.0
    output = running.output()
    assert running.process.returncode == 0, output
    for run in (first, second):
        directory = Store(str(storage)).run_dir(run.run_id)
        result, points = directory.result(), len(directory.metrics("train")) + len(directory.metrics("validation"))
        assert result is not None
        # Had the run waited for MLflow whenever it logs, it would have taken at least this long.
        assert result.seconds.train + result.seconds.evaluate < points * LATENCY_SECONDS
    assert_equal_stores(storage, unbroken_sweep, [first, second])
    run_ids = [first.run_id, second.run_id]
    assert tracked(proxy.url, run_ids) == tracked(f"sqlite:///{unbroken_sweep}/mlflow.db", run_ids)


def test_a_tracker_that_is_down_at_the_start_in_the_middle_and_at_the_end(
    unbroken_sweep: Path, tmp_path: Path, proxy: FaultProxy
) -> None:
    path, (short, long) = write_part(tmp_path / "sweep.yaml", [0, LONG])
    storage = tmp_path / "store"

    def is_tracked(run_id: str) -> bool:
        with sqlite3.connect(tmp_path / "mlflow.db") as database:
            query = "SELECT count(*) FROM tags WHERE key = 'clt.run_id' AND value = ?"
            return bool(database.execute(query, [run_id]).fetchone()[0])

    proxy.broken = "reset"
    running = Killable("run", path, "--tracking-uri", proxy.url, "--max-concurrent", "1", storage=storage)
    for run in (short, long):
        running.wait_for_stage("train", storage, run.run_id)
        assert not is_tracked(run.run_id)
        proxy.broken = None
        wait_until(lambda tracked_run=run.run_id: is_tracked(tracked_run))  # type: ignore[misc]
        proxy.broken = "reset"
    output = running.output()
    assert running.process.returncode == 0, output
    assert "2 of 2 runs finished" in output and "MLflow is not up to date" in output
    assert_equal_stores(storage, unbroken_sweep, [short, long])

    proxy.broken = None
    run_ids = [short.run_id, long.run_id]
    expected = tracked(f"sqlite:///{unbroken_sweep}/mlflow.db", run_ids)
    assert tracked(proxy.url, run_ids) != expected
    again = clt_ray("run", path, "--tracking-uri", proxy.url, storage=storage)
    assert again.returncode == 0 and "nothing to do" in again.stdout, again.stdout + again.stderr
    assert tracked(proxy.url, run_ids) == expected
