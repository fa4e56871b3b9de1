"""A sweep grows a cluster from no workers to as many as it can use, and gives them back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.sweeps import sweep, write

pytestmark = [pytest.mark.serial, pytest.mark.slow]

NAMESPACE = ["unshare", "-n", "bash", "-c", 'ip link set lo up; exec "$0" "$@"']
"""A network with nothing but loopback, for a command."""


@pytest.fixture(scope="module", autouse=True)
def namespace() -> None:
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("this user may not create a network namespace")


def run_autoscaled(folder: Path, document: dict[str, Any], max_workers: int, *options: str) -> dict[str, Any]:
    """Runs a sweep as `tests.support.autoscaled` does, and returns what that saw."""
    path = write(folder / "sweep.yaml", document)
    program = [sys.executable, "-m", "tests.support.autoscaled"]
    command = [*NAMESPACE, *program, str(folder), path, str(folder / "store"), str(max_workers), *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=540)
        finally:
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and _session(entry) == process.pid:
                    os.kill(int(entry.name), signal.SIGKILL)
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    return seen


def _session(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[3])
    except (FileNotFoundError, ProcessLookupError):
        return -1


def test_from_zero_to_two_nodes_and_back_with_three_runs(tmp_path: Path) -> None:
    seen = run_autoscaled(tmp_path, sweep(grid={"samples_per_language": [0, 4, 8]}), 2)
    assert seen["code"] == 0, seen["output"]
    assert "3 of 3 runs finished, 0 failed" in seen["output"]
    assert seen["workers"][0] == 0 and max(seen["workers"]) == 2
    assert seen["workers_at_the_end"] == 0
    assert seen["placement_groups"] in ([], ["REMOVED"])
    assert any("waits for 1 worker with 1 CPU since" in text for text in seen["waits"]), seen["waits"]


def test_one_run_asks_for_one_node(tmp_path: Path) -> None:
    seen = run_autoscaled(tmp_path, sweep(grid={"samples_per_language": [4]}), 2)
    assert seen["code"] == 0, seen["output"]
    assert max(seen["workers"]) == 1


def test_what_no_node_type_has_is_said_at_once(tmp_path: Path) -> None:
    document = sweep(grid={"samples_per_language": [4]}, hardware={"accelerator": "CPU", "cpus_per_worker": 5})
    seen = run_autoscaled(tmp_path, document, 2)
    assert seen["code"] == 2, seen["output"]
    assert "needs 1 worker with 5 CPU, and no node or node type has room for them" in seen["output"]
