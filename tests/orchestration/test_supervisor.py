"""Whatever process of a sweep is killed, the sweep goes on, or says why it does not."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from clt_ray.store import Store
from tests.support.clusters import Cluster, cluster, held, kill
from tests.support.commands import POLL, Killable, clt_ray, descendants, kill_descendant, wait_until
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.serial

DRIVER = "clt_ray.orchestration.sweep"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [4, 8]}))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize("read", [True, False])
def test_a_driver_process_ends_with_its_supervisor(read: bool) -> None:
    program = (
        "import socket, sys, threading; from clt_ray.orchestration.sweep import Channel; "
        "Channel(socket.socket(fileno=int(sys.argv[1]))).send({}); print('sent', flush=True); threading.Event().wait()"
    )
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", program, str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True) as process:
        theirs.close()
        assert process.stdout is not None and process.stdout.readline() == "sent\n"
        if read:
            assert ours.recv(100) == b"{}\n"
        # What was not read resets the connection instead of closing it.
        ours.close()
        try:
            assert process.wait(60) == -signal.SIGKILL
        finally:
            process.kill()


def finished(storage: Path) -> int:
    return len(list(storage.glob("runs/*/result.json")))


def test_a_sweep_goes_on_after_its_driver_process_was_killed(path: str, storage: Path) -> None:
    running = Killable("run", path, storage=storage)
    running.wait_for_stage("train", storage)
    kill_descendant(running.process.pid, DRIVER)
    output = running.output()
    assert running.process.returncode == 0, output
    assert "2 of 2 runs finished, 0 failed" in output
    assert finished(storage) == 2
    assert not (storage / "ray").exists() or not list((storage / "ray").iterdir())


@pytest.mark.slow
@pytest.mark.long
def test_the_error_is_recorded_where_the_driver_process_always_dies(path: str, storage: Path) -> None:
    running = Killable("run", path, "--max-concurrent", "1", storage=storage)
    for _ in range(4):
        # Killed while it trains, so that runs are under way each time.
        deadline = time.monotonic() + 120
        killed = None
        while killed is None and time.monotonic() < deadline and running.process.poll() is None:
            if any("ray::SweepController" in command for command in descendants(running.process.pid).values()):
                killed = kill_descendant(running.process.pid, DRIVER)
            POLL.wait(0.05)
    output = running.output()
    assert running.process.returncode == 1, output
    assert "the process that drives Ray ended 4 times, the last time: " in output and "signal 9" in output
    status = json.loads(clt_ray("status", path, "--json", storage=storage).stdout)
    assert any("the process that drives Ray ended 4 times" in (run["error"] or "") for run in status["runs"])
    again = clt_ray("run", path, storage=storage)
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_checkpoints_and_ends_within_fifteen_seconds(
    tmp_path: Path, storage: Path, number: signal.Signals
) -> None:
    changes = {
        "grid": {"samples_per_language": [8]},
        "english_samples": 400,
        "training": {"epochs": 20, "eval_every": 500},
    }
    path = write(tmp_path / "sweep.yaml", sweep(**changes))
    running = Killable("run", path, storage=storage)
    run_id = running.wait_for_stage("train", storage)
    wait_until(lambda: (status := Store(str(storage)).run_dir(run_id).status()) is not None and status.step > 0)
    began = time.monotonic()
    running.process.send_signal(number)
    output = running.output()
    assert time.monotonic() - began < 15
    assert running.process.returncode != 0
    assert "asking 1 runs to write a checkpoint" in output
    assert list(storage.glob(f"runs/{run_id}/checkpoints/*/COMPLETE.json")), output
    status = json.loads(clt_ray("status", path, "--json", storage=storage).stdout)["runs"][0]
    assert status["state"] == "interrupted" and "the sweep was interrupted" in status["error"]
    assert not descendants(running.process.pid)


@pytest.fixture
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("r"), cpus=0) as started:
        yield started


@pytest.mark.slow
def test_a_run_whose_node_is_lost_continues_on_another(two_nodes: Cluster, path: str, storage: Path) -> None:
    first = two_nodes.add(cpus=1, resources={}, labels={}, environment={})
    running = Killable("run", path, "--address", two_nodes.address, storage=storage)
    running.wait_for_stage("train", storage)
    kill(first)
    two_nodes.add(cpus=1, resources={}, labels={}, environment={})
    output = running.output()
    assert running.process.returncode == 0, output
    assert finished(storage) == 2


@pytest.mark.slow
def test_two_sweeps_share_a_cluster(two_nodes: Cluster, tmp_path: Path) -> None:
    two_nodes.add(cpus=2, resources={}, labels={}, environment={})
    # The first sweep has enough runs to last until the second one has started.
    sizes = {"first": [0, 2, 4, 6, 8, 10, 12, 14], "second": [3, 5]}
    both = {}
    for name, grid in sizes.items():
        file = write(tmp_path / f"{name}.yaml", sweep(name=name, grid={"samples_per_language": grid}))
        both[name] = Killable("run", file, "--address", two_nodes.address, storage=tmp_path / name)
        if name == "first":
            both[name].wait_for_stage("train", tmp_path / name)
    for running in both.values():
        output = running.output()
        assert running.process.returncode == 0, output
    ended = {
        name: sorted(file.stat().st_mtime for file in (tmp_path / name).glob("runs/*/result.json")) for name in sizes
    }
    # The second sweep gets its turn before the first one is through.
    assert ended["second"][0] < ended["first"][-1]


@pytest.mark.slow
def test_a_lost_cluster_is_named_and_the_sweep_continues_on_the_next(
    tmp_path_factory: pytest.TempPathFactory, path: str, storage: Path
) -> None:
    with cluster(tmp_path_factory.mktemp("r"), cpus=2) as lost:
        # Ray's processes wait a minute for a head that is gone; 5 s show the same.
        settings = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
        running = Killable("run", path, "--address", lost.address, storage=storage, environment=settings)
        running.wait_for_stage("train", storage)
        lost.stop()
        output = running.output()
        assert running.process.returncode in (1, 2, 3), output
        assert "the process that drives Ray ended" in output or "no Ray cluster answers" in output
    again = clt_ray("run", path, storage=storage)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(pd.concat(pd.read_csv(file) for file in storage.glob("runs/*/scores.csv")).run_id.unique()) == 2


@pytest.mark.slow
def test_a_node_that_sees_another_storage_is_named_before_anything_starts(
    two_nodes: Cluster, path: str, storage: Path
) -> None:
    storage.mkdir()
    hidden = ["unshare", "-m", "bash", "-c", f'mount -t tmpfs none {storage} && exec "$0" "$@"']
    if subprocess.run([*hidden, "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount")
    two_nodes.add(cpus=1, resources={}, labels={}, environment={})
    two_nodes.add(cpus=2, resources={}, labels={}, environment={}, through=hidden)
    result = clt_ray("run", path, "--address", two_nodes.address, storage=storage)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "does not see the storage" in result.stderr and "give a folder that all nodes share" in result.stderr
    assert not list(storage.glob("runs/*"))
    assert not list((storage / "probes").glob("*"))


@pytest.mark.slow
def test_a_place_that_does_not_come_ends_the_wait_with_the_reason(two_nodes: Cluster, path: str, storage: Path) -> None:
    two_nodes.add(cpus=1, resources={}, labels={}, environment={})
    with held(two_nodes.address, 1):
        result = clt_ray("run", path, "--address", two_nodes.address, "--max-wait", "0.003", storage=storage)
        assert result.returncode == 3, result.stdout + result.stderr
        reason = "waited 0.003 h for 1 worker with 1 CPU, which did not come (--max-wait)"
        # Also the run that had not asked for a place yet has its reason.
        assert result.stdout.count(reason) == 2
        assert not list(storage.glob("runs/*/status.json"))
