"""Measures how long it takes to bring MLflow up to date with finished runs: on SQLite, the default, and on PostgreSQL.

    PYTHONPATH=. python benchmarks/tracking.py > benchmarks/results/tracking.json

Each finished run has 50 steps of training metrics, validations in eight languages, test scores and artifacts. The
baseline is the SQLite file; the figures are those of `mlflow server` on PostgreSQL, both on this machine. PostgreSQL
has to be installed (Debian's package `postgresql`).
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from _result import emit
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import SweepTracker
from clt_ray.tracking.client import connect
from tests.support.mlflow_server import mlflow_server
from tests.support.postgresql import postgresql
from tests.support.run_dirs import SWEEP, finished, spec

RUNS = 200


def main() -> None:
    with TemporaryDirectory() as folder:
        store = Store(f"{folder}/store")
        runs = [finished(store, spec(seed=seed)) for seed in range(RUNS)]
        baseline = measure(f"sqlite:///{folder}/mlflow.db", store, runs)
        with postgresql() as database, mlflow_server(Path(folder), "--backend-store-uri", database) as port:
            figures = measure(f"http://127.0.0.1:{port}", store, runs)
    emit("tracking", {"runs": float(RUNS)} | figures, baseline)


def measure(uri: str, store: Store, runs: list[RunSpec]) -> dict[str, float]:
    """Returns the seconds per run of a first update, of one by another process, and of the last tenth of the first."""
    # Creating the tables takes seconds, once.
    connect(uri).search_experiments()
    tracker = SweepTracker(uri, SWEEP, store)
    began = time.perf_counter()
    tracker.sync(runs[: -RUNS // 10])
    before_last = time.perf_counter()
    tracker.sync(runs)
    ended = time.perf_counter()
    SweepTracker(uri, SWEEP, store).sync(runs)
    return {
        "sync_seconds_per_run": (ended - began) / RUNS,
        "sync_seconds_per_run_of_the_last_tenth": (ended - before_last) / (RUNS / 10),
        "sync_again_seconds_per_run": (time.perf_counter() - ended) / RUNS,
    }


if __name__ == "__main__":
    main()
