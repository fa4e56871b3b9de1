"""What a sweep on this machine listens on, and who gets in: Ray listens everywhere, and its token keeps others out."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.support.sockets import listening
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.serial

HOLD = """
import sys
import ray
from clt_ray.opened import open_sweep
from clt_ray.orchestration.cluster import connected
from clt_ray.orchestration.options import RayOptions
if __name__ == "__main__":
    with connected(open_sweep(sys.argv[1]).runs, RayOptions()):
        assert ray.get(ray.remote(num_cpus=0)(lambda: 1).remote()) == 1
        print("ready", flush=True)
        sys.stdin.read()
"""
METHODS = {
    "the head's store": "/ray.rpc.NodeInfoGcsService/GetClusterId",
    "the node's manager": "/ray.rpc.NodeManagerService/GetSystemConfig",
    "the node's objects": "/ray.rpc.ObjectManagerService/Pull",
    "a worker": "/ray.rpc.CoreWorkerService/GetCoreWorkerStats",
}
"""A method of each of Ray's services."""


@dataclass
class Held:
    """A local cluster as `clt-ray run` starts it, and the home directory with its token."""

    ports: dict[int, str]
    home: Path

    @property
    def token(self) -> str:
        return (self.home / ".ray" / "auth_token").read_text().strip()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    folder = tmp_path_factory.mktemp("held")
    program = folder / "hold.py"
    program.write_text(HOLD)
    file = write(folder / "sweep.yaml", sweep())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environment |= {"HOME": str(folder), "CLT_RAY_PROBE": folder.name, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program), file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert "ready" in holder.stdout.readline()
        yield Held(listening("CLT_RAY_PROBE", folder.name), folder)
        holder.stdin.close()


@pytest.fixture(scope="module")
def other_address() -> str:
    """An address of this machine that Ray was not told: one of its network, or another one of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.255", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.2"


def answers(address: str, port: int, token: str) -> set[str]:
    """What the services behind a port say to a call with this token: the names of gRPC's status codes."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    codes = set()
    with grpc.insecure_channel(f"{address}:{port}") as channel:
        for method in METHODS.values():
            try:
                channel.unary_unary(method)(b"", timeout=10, metadata=metadata)
                codes.add("OK")
            except grpc.RpcError as error:
                codes.add(error.code().name)
    return codes - {"UNIMPLEMENTED"}


def page(address: str, port: int) -> str:
    """The metrics page behind a port; empty where there is none."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=10) as response:
            return str(response.read().decode())
    except OSError:
        return ""
    except Exception:  # a gRPC server does not answer in HTTP 1
        return ""


def test_ray_listens_on_all_addresses(held: Held) -> None:
    """If this fails, Ray has learned to listen on 127.0.0.1 alone, and docs/security.md can say so."""
    assert held.ports and {address.strip("0") for address in held.ports.values()} == {""}


def test_every_service_requires_the_token(held: Held, other_address: str) -> None:
    assert len(held.token) >= 32
    services = {port: answers(other_address, port, "") for port in held.ports}
    metrics = {port for port, codes in services.items() if codes <= {"UNAVAILABLE"}}
    for port in set(services) - metrics:
        assert services[port] == {"UNAUTHENTICATED"}, port
        assert answers(other_address, port, "wrong" * 8) == {"UNAUTHENTICATED"}, port
    assert any("OK" in answers(other_address, port, held.token) for port in set(services) - metrics)
    # What is open to everybody are pages of numbers about the load of this machine.
    for port in metrics:
        text = page(other_address, port)
        assert text and held.token not in text
        assert all(line.startswith("#") or line.rpartition(" ")[2][:1] in "0123456789-N" for line in text.splitlines())


def test_other_users_cannot_read_the_token(held: Held) -> None:
    assert stat.S_IMODE((held.home / ".ray").stat().st_mode) == 0o700
