"""Outages of a tracking server, and of the process that writes to it: nothing waits, and every value arrives once."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from clt_ray.store import Store
from clt_ray.tracking import SweepTracker, TrackerUnavailable, read_scores
from clt_ray.tracking.client import connect, quiet_environment
from tests.support.lookups import assert_each_step_once, runs, steps
from tests.support.run_dirs import SWEEP, Training, finished, spec

TIMEOUT_SECONDS = 60.0
QUICK_SECONDS = 5.0
RUNS = 8


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        threading.Event().wait(0.02)


def children(database: Path) -> int:
    """Returns the number of child runs, read from the database without MLflow."""
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT count(*) FROM tags WHERE key = 'clt.run_id'").fetchone()[0])


class Server:
    """A process of `mlflow server` on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet_environment()
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--backend-store-uri",
            f"sqlite:///{self.folder}/mlflow.db",
        ]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"]
        self.process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            cwd=self.folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self.is_up)

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=QUICK_SECONDS) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def children(self) -> int:
        return children(self.folder / "mlflow.db")


@pytest.fixture
def server(tmp_path: Path, tracking_uri: str) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_server_that_is_killed_during_a_sync(server: Server, store: Store) -> None:
    finished_runs = [
        finished(store, spec(("math", "summarization")[seed % 2], samples=50, seed=seed)) for seed in range(RUNS)
    ]
    tracker = SweepTracker(server.uri, SWEEP, store)
    outages: list[TrackerUnavailable] = []

    def sync() -> None:
        try:
            tracker.sync(finished_runs)
        except TrackerUnavailable as error:
            outages.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    wait_until(lambda: server.children() >= 2)
    server.kill()
    thread.join(TIMEOUT_SECONDS)
    assert server.uri in str(outages[0])
    assert server.children() < RUNS

    live = Training(store, spec(seed=99)).advance(12)
    started = time.monotonic()
    with pytest.raises(TrackerUnavailable):
        tracker.sync([live.run])
    assert time.monotonic() - started < QUICK_SECONDS
    live.advance(25)

    server.start()
    tracker.sync([*finished_runs, live.run])
    SweepTracker(server.uri, SWEEP, store).sync([*finished_runs, live.run])
    client = connect(server.uri)
    children = runs(client, SWEEP)
    assert len(children) == RUNS + 1
    assert sorted(run.info.status for run in children) == ["FINISHED"] * RUNS + ["KILLED"]
    for run in children:
        assert_each_step_once(client, run)
        expected = 25 if run.info.status == "KILLED" else int(run.data.params["steps"])
        assert steps(client, run, "train/loss") == list(range(1, expected + 1))
        is_finished = run.info.status == "FINISHED"
        assert len(client.list_artifacts(run.info.run_id)) == (3 if is_finished else 0)
    assert len(read_scores(server.uri, SWEEP)) == sum(
        len(run.eval_languages) * (3 if run.task == "summarization" else 1) for run in finished_runs
    )


SYNC_PROGRAM = """
import sys
from tests.support.run_dirs import SWEEP, spec
from clt_ray.store import Store
from clt_ray.tracking import SweepTracker
uri, storage, runs = sys.argv[1:]
SweepTracker(uri, SWEEP, Store(storage)).sync([spec(samples=50, seed=seed) for seed in range(int(runs))])
"""


def test_a_process_that_is_killed_during_a_sync(tracking_uri: str, store: Store, tmp_path: Path) -> None:
    finished_runs = [finished(store, spec(samples=50, seed=seed)) for seed in range(RUNS)]
    command = [sys.executable, "-c", SYNC_PROGRAM, tracking_uri, store.uri, str(RUNS)]
    search_path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])

    def has_logged(runs_logged: int) -> bool:
        return children(tmp_path / "mlflow.db") >= runs_logged

    for runs_logged in (2, 5):
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": search_path})
        wait_until(partial(has_logged, runs_logged))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    SweepTracker(tracking_uri, SWEEP, store).sync(finished_runs)
    client = connect(tracking_uri)
    assert [run.info.status for run in runs(client, SWEEP)] == ["FINISHED"] * RUNS
    for run in runs(client, SWEEP):
        assert_each_step_once(client, run)
        assert steps(client, run, "train/loss") == list(range(1, finished_runs[0].steps + 1))


def test_a_server_that_does_not_exist(store: Store) -> None:
    run = finished(store, spec())
    started = time.monotonic()
    with pytest.raises(TrackerUnavailable, match=r"MLflow at http://127\.0\.0\.1:1"):
        SweepTracker("http://127.0.0.1:1", SWEEP, store).sync([run])
    assert time.monotonic() - started < QUICK_SECONDS
