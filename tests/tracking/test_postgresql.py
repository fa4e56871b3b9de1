"""A sweep's sync against `mlflow server` on PostgreSQL, as a team runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clt_ray.store import Store
from clt_ray.tracking import SweepTracker
from clt_ray.tracking.client import connect
from tests.support.mlflow_server import mlflow_server
from tests.support.postgresql import postgresql, programs
from tests.support.run_dirs import SWEEP, Training, finished, spec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed: apt-get install postgresql"),
]


def test_a_sweep_is_tracked_on_postgresql(store: Store, tmp_path: Path) -> None:
    runs = [finished(store, spec(samples=samples)) for samples in (0, 100, 400)]
    failed = spec(samples=800)
    Training(store, failed).advance(7).fail()
    with postgresql() as database, mlflow_server(tmp_path, "--backend-store-uri", database) as port:
        uri = f"http://127.0.0.1:{port}"
        SweepTracker(uri, SWEEP, store).sync([*runs, failed])
        # Another process finds everything there, and closes the sweep.
        tracker = SweepTracker(uri, SWEEP, store)
        tracker.sync([*runs, failed])
        tracker.finish("FAILED")
        client = connect(uri)
        experiment = client.get_experiment_by_name(SWEEP)
        found = client.search_runs([experiment.experiment_id])
        children = {run.data.tags["clt.run_id"]: run for run in found if "clt.run_id" in run.data.tags}
        assert len(found) == len(children) + 1 and set(children) == {run.run_id for run in [*runs, failed]}
        assert children[failed.run_id].info.status == "FAILED"
        for run in runs:
            child = children[run.run_id]
            assert child.info.status == "FINISHED"
            points = client.get_metric_history(child.info.run_id, "train/loss")
            assert [point.step for point in points] == list(range(1, run.steps + 1))
            assert "test/math/es/accuracy" in child.data.metrics
            assert [item.path for item in client.list_artifacts(child.info.run_id, "generations")]
