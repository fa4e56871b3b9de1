"""What a sweep on this machine listens on, and who gets in: Ray listens everywhere, and its token keeps others out."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import subprocess
import sys
import threading
import urllib.error
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
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


@dataclass
class Held:
    """A local cluster as `clt-ray run` starts it, and the home directory with its token."""

    places: dict[tuple[int, str], str]
    """Ports and addresses on which it listens, with the titles of the processes."""
    home: Path

    @property
    def ports(self) -> set[int]:
        return {port for port, _ in self.places}

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
    environment |= {"HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program), file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert "ready" in holder.stdout.readline()
        yield Held(settled(holder.pid), folder)
        holder.stdin.close()


def settled(process: int) -> dict[tuple[int, str], str]:
    """Where the cluster listens once the node's agents, which start last, do."""
    pause = threading.Event()
    for _ in range(600):
        places = listening(process)
        if all(any(agent in title for title in places.values()) for agent in AGENTS):
            return places
        pause.wait(0.2)
    raise AssertionError(f"no agents: {places}")


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


def page(address: str, port: int, path: str, token: str = "") -> tuple[int, str]:
    """The status and the text of a web page; 0 where the port has no web server at this address."""
    request = urllib.request.Request(f"http://{address}:{port}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except (OSError, http.client.HTTPException):  # nothing, or a gRPC server
        return 0, ""


def test_ray_listens_on_all_addresses(held: Held) -> None:
    """If this fails, Ray has learned to listen on 127.0.0.1 alone, and docs/security.md can say so."""
    everywhere = {title for (_, address), title in held.places.items() if not address.strip("0")}
    assert any("gcs_server" in title for title in everywhere)
    assert any("raylet" in title for title in everywhere)


def test_every_service_requires_the_token(held: Held, other_address: str) -> None:
    assert len(held.token) >= 32
    accepted: set[str] = set()
    web: list[int] = []
    for port in held.ports:
        codes = answers(other_address, port, "")
        if codes == {"UNAUTHENTICATED"}:
            assert answers(other_address, port, "wrong" * 8) == codes, port
            accepted |= answers(other_address, port, held.token)
            continue
        assert codes <= {"UNAVAILABLE"}, (port, codes)
        status, text = page(other_address, port, "/metrics")
        if status == 200:
            # What is open to everybody are pages of numbers about the load of this machine.
            assert held.token not in text
            lines = [line for line in text.splitlines() if not line.startswith("#")]
            assert all(line.rpartition(" ")[2][:1] in "0123456789-N" for line in lines)
            continue
        web.append(port)
        for place in (other_address, "127.0.0.1"):
            assert page(place, port, "/nothing")[0] in (0, 401), port
            assert page(place, port, "/nothing", "wrong" * 8)[0] in (0, 403), port
    assert "OK" in accepted
    # The web servers of the node's agents do not have this page, which they say to the right token only.
    agents = [page(place, port, "/nothing", held.token)[0] for port in web for place in (other_address, "127.0.0.1")]
    assert 404 in agents, (web, agents, held.places)


def test_other_users_cannot_read_the_token(held: Held) -> None:
    assert stat.S_IMODE((held.home / ".ray").stat().st_mode) == 0o700
