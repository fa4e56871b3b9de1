"""A Ray cluster with several nodes on this machine, each started with `ray start`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
# A token in the home directory, left by another local cluster, would turn authentication on for the head node only.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
}
V5E = "TPU-V5LITEPOD"


def free_port() -> int:
    """Returns a port of 127.0.0.1 that no process uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A head node, and nodes that can be added and killed."""

    def __init__(
        self, folder: Path, *, cpus: int, dashboard: bool = False, environment: Mapping[str, str] | None = None
    ) -> None:
        port, dashboard_port = free_port(), free_port()
        self.address = f"127.0.0.1:{port}"
        self.dashboard = f"http://127.0.0.1:{dashboard_port}"
        dashboard_options = ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard_port}"]
        self._nodes = [
            _start(
                "--head", f"--port={port}", f"--num-cpus={cpus}", f"--temp-dir={folder}", "--disable-usage-stats",
                *(dashboard_options if dashboard else ["--include-dashboard=false"]),
                environment=environment,
            )
        ]  # fmt: skip

    def add(
        self,
        *,
        cpus: int,
        resources: Mapping[str, float],
        labels: Mapping[str, str],
        environment: Mapping[str, str],
        through: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Starts a node and returns its process; `through` is a command that executes the command that follows it."""
        node = _start(
            f"--address={self.address}", f"--num-cpus={cpus}", f"--resources={json.dumps(dict(resources))}",
            f"--labels={','.join(f'{name}={value}' for name, value in labels.items())}",
            environment=environment, through=through,
        )  # fmt: skip
        self._nodes.append(node)
        return node

    def add_slice(self, name: str, environment: Mapping[str, str]) -> list[subprocess.Popen[str]]:
        """Starts the four hosts of a v5e-16 slice (topology 4x4), with the labels and resources that Ray gives them."""
        hosts = []
        for index in range(4):
            host = self.add(
                cpus=2,
                resources={"TPU": 4, f"accelerator_type:{V5E}": 1, name: 1}
                | ({"TPU-v5litepod-16-head": 1} if index == 0 else {}),
                labels={
                    "ray.io/tpu-slice-name": name,
                    "ray.io/tpu-worker-id": str(index),
                    "ray.io/tpu-pod-type": "v5litepod-16",
                    "ray.io/tpu-topology": "4x4",
                },
                environment={
                    "TPU_NAME": name,
                    "TPU_WORKER_ID": str(index),
                    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
                    "TPU_TOPOLOGY": "4x4",
                    **environment,
                },
            )
            hosts.append(host)
        return hosts

    def stop(self) -> None:
        """Kills all nodes."""
        for node in reversed(self._nodes):
            kill(node)


@contextlib.contextmanager
def cluster(
    folder: Path, *, cpus: int, dashboard: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Provides a cluster until the block ends; `environment` is for its head node."""
    started = Cluster(folder, cpus=cpus, dashboard=dashboard, environment=environment)
    try:
        yield started
    finally:
        started.stop()


@contextlib.contextmanager
def held(address: str, cpus: int) -> Iterator[Callable[[], None]]:
    """Occupies CPUs of one node, as another program would; provides what gives them back before the block ends."""
    program = (
        "import ray, sys; ray.init(sys.argv[1]); "
        "holder = ray.remote(num_cpus=int(sys.argv[2]))(type('Holder', (), {'ping': lambda self: None})).remote(); "
        "ray.get(holder.ping.remote()); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, address, str(cpus)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert any("held" in line for line in holder.stdout)
        yield holder.stdin.close
        holder.stdin.close()


def kill(node: subprocess.Popen[str]) -> None:
    """Kills a node with all its processes, as when its machine is lost."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait(timeout=60)


def _start(
    *arguments: str, environment: Mapping[str, str] | None = None, through: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Starts a node and waits until it is part of the cluster."""
    node = subprocess.Popen(
        [
            *through,
            *RAY,
            "start",
            "--block",
            "--node-ip-address=127.0.0.1",
            f"--object-store-memory={2**27}",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **ENVIRONMENT, **(environment or {})},
    )
    assert node.stdout is not None
    output = ""
    for line in node.stdout:
        output += line
        if "Ray runtime started" in line:
            return node
    raise AssertionError(f"a Ray node did not start:\n{output}")
