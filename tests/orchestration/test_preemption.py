"""Ray's notice that a node will be taken away asks the runs of that node to stop, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clt_ray.orchestration.preemption import NOTICE
from clt_ray.store import Store
from tests.support.clusters import ENVIRONMENT, RAY, Cluster, cluster

pytestmark = [pytest.mark.serial, pytest.mark.slow]

PROGRAM = """
import sys, threading, ray
from pathlib import Path
from clt_ray.orchestration.preemption import watched_node
from clt_ray.store import Store

address, storage = sys.argv[1:]

@ray.remote(num_cpus=1)
def train(name):
    directory, pause = Store(storage).run_dir(name), threading.Event()
    with watched_node(directory):
        directory.write_text("node", ray.get_runtime_context().get_node_id())
        while not directory.stop_request() and not Path(storage, "over").exists():
            pause.wait(0.1)
    request = directory.stop_request()
    return request and request.reason

ray.init(address, log_to_driver=False)
tasks = [train.options(resources={name: 1}).remote(name) for name in ("drained", "kept")]
print(ray.get(tasks[0]), flush=True)
Path(storage, "over").touch()
print(ray.get(tasks[1]), flush=True)
"""


def node_of(storage: Path, name: str, process: subprocess.Popen[str]) -> str:
    """Waits until the task of a run has started, and returns the id of its node."""
    directory = Store(str(storage)).run_dir(name)
    while not directory.exists("node"):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
    return directory.read_text("node")


def drain(started: Cluster, node: str) -> None:
    """Announces that a node will be taken away in ten minutes, as an autoscaler does."""
    command = [
        *RAY, "drain-node", "--address", started.address, "--node-id", node,
        "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test", "--deadline-remaining-seconds", "600",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_notice_stops_the_runs_of_its_node(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with cluster(tmp_path_factory.mktemp("r"), cpus=0) as started:
        for name in ("drained", "kept"):
            started.add(cpus=1, resources={name: 1}, labels={"test": name}, environment={})
        command = [sys.executable, "-c", PROGRAM, started.address, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT)
        try:
            node_of(tmp_path, "kept", process)
            drain(started, node_of(tmp_path, "drained", process))
            output, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert output.splitlines() == [NOTICE, "None"]
