"""A tracking server that is killed and started again: nothing waits for it, and everything arrives once."""

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
from pathlib import Path

import pytest

from clt_ray.store import Store
from clt_ray.tracking import SweepTracker, TrackerUnavailable, read_scores
from clt_ray.tracking.client import connect, quiet_environment
from tests.support.fabricated import SWEEP, Training, finished, spec
from tests.support.lookups import assert_each_step_once, runs, steps

PATIENCE_SECONDS = 60.0
QUICK_SECONDS = 5.0
RUNS = 8


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        threading.Event().wait(0.02)


def children(database: Path) -> int:
    """Runs that are in MLflow, without asking it."""
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT count(*) FROM tags WHERE key = 'clt.run_id'").fetchone()[0]


class Server:
    """`mlflow server` on 127.0.0.1."""

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
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=QUICK_SECONDS) as answer:
                return answer.status == 200
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


def test_killed_in_the_middle(server: Server, store: Store) -> None:
    some = [finished(store, spec(("math", "summarization")[seed % 2], samples=50, seed=seed)) for seed in range(RUNS)]
    mirror = SweepTracker(server.uri, SWEEP, store)
    trouble: list[TrackerUnavailable] = []

    def sync() -> None:
        try:
            mirror.sync(some)
        except TrackerUnavailable as error:
            trouble.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    wait_until(lambda: server.children() >= 2)
    server.kill()
    thread.join(PATIENCE_SECONDS)
    assert server.uri in str(trouble[0])
    assert server.children() < RUNS

    late = Training(store, spec(seed=99)).advance(12)
    began = time.monotonic()
    with pytest.raises(TrackerUnavailable):
        mirror.sync([late.run])
    assert time.monotonic() - began < QUICK_SECONDS
    late.advance(25)

    server.start()
    mirror.sync([*some, late.run])
    SweepTracker(server.uri, SWEEP, store).sync([*some, late.run])
    client = connect(server.uri)
    children = runs(client, SWEEP)
    assert len(children) == RUNS + 1
    assert sorted(run.info.status for run in children) == ["FINISHED"] * RUNS + ["KILLED"]
    for run in children:
        assert_each_step_once(client, run)
        expected = 25 if run.info.status == "KILLED" else int(run.data.params["steps"])
        assert steps(client, run, "train/loss") == list(range(1, expected + 1))
        done = run.info.status == "FINISHED"
        assert len(client.list_artifacts(run.info.run_id)) == (3 if done else 0)
    assert len(read_scores(server.uri, SWEEP)) == sum(
        len(run.eval_languages) * (3 if run.task == "summarization" else 1) for run in some
    )


MIRRORING = """
import sys
from tests.support.fabricated import SWEEP, spec
from clt_ray.store import Store
from clt_ray.tracking import SweepTracker
uri, storage, runs = sys.argv[1:]
SweepTracker(uri, SWEEP, Store(storage)).sync([spec(samples=50, seed=seed) for seed in range(int(runs))])
"""


def test_mirroring_process_is_killed(tracking_uri: str, store: Store, tmp_path: Path) -> None:
    some = [finished(store, spec(samples=50, seed=seed)) for seed in range(RUNS)]
    command = [sys.executable, "-c", MIRRORING, tracking_uri, store.uri, str(RUNS)]
    search_path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    for already_there in (2, 5):
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": search_path})
        wait_until(lambda enough=already_there: children(tmp_path / "mlflow.db") >= enough)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    SweepTracker(tracking_uri, SWEEP, store).sync(some)
    client = connect(tracking_uri)
    assert [run.info.status for run in runs(client, SWEEP)] == ["FINISHED"] * RUNS
    for run in runs(client, SWEEP):
        assert_each_step_once(client, run)
        assert steps(client, run, "train/loss") == list(range(1, some[0].steps + 1))


def test_no_server_at_all(store: Store) -> None:
    run = finished(store, spec())
    began = time.monotonic()
    with pytest.raises(TrackerUnavailable, match=r"MLflow at http://127\.0\.0\.1:1"):
        SweepTracker("http://127.0.0.1:1", SWEEP, store).sync([run])
    assert time.monotonic() - began < QUICK_SECONDS
