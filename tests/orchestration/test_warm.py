"""Runs in a child that the warm process forks: results, errors, and the end of the child with its client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from clt_ray.orchestration.warm import ChildDied, run_in_child
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.sweeps import sweep, write

NAME = f"test-{os.getpid()}"


@pytest.fixture
def run(tmp_path: Path) -> RunSpec:
    return expand(load_sweep(write(tmp_path / "sweep.yaml", sweep())))[0]


def test_the_child_executes_the_run(run: RunSpec, tmp_path: Path) -> None:
    storage = str(tmp_path / "store")
    assert run_in_child({"run": run.to_dict(), "storage": storage}, NAME) == "finished"
    assert Store(storage).run_dir(run.run_id).exists("result.json")


def test_an_exception_is_raised_again_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Traceback"):
        run_in_child({"run": {}, "storage": str(tmp_path)}, NAME)


def test_a_killed_child_is_reported(run: RunSpec, tmp_path: Path) -> None:
    """A second process kills the child as soon as it holds the run's lease."""
    storage = str(tmp_path / "store")
    killer = textwrap.dedent("""
        import json, os, pathlib, signal, sys
        lease = pathlib.Path(sys.argv[1])
        while True:
            try:
                os.kill(json.loads(lease.read_text())["owner"]["pid"], signal.SIGKILL)
                break
            except (FileNotFoundError, ValueError):
                pass
    """)
    lease = f"{storage}/runs/{run.run_id}/lease.json"
    process = subprocess.Popen([sys.executable, "-c", killer, lease])
    with pytest.raises(ChildDied):
        run_in_child({"run": run.to_dict(), "storage": storage}, NAME)
    assert process.wait() == 0
    assert run_in_child({"run": run.to_dict(), "storage": storage}, NAME) == "finished"


def test_the_child_dies_with_its_client(run: RunSpec, tmp_path: Path) -> None:
    storage = str(tmp_path / "store")
    client = textwrap.dedent(f"""
        import json, sys
        from clt_ray.orchestration.warm import run_in_child
        run_in_child({{"run": json.loads(sys.argv[1]), "storage": {storage!r}}}, {NAME!r})
    """)
    process = subprocess.Popen([sys.executable, "-c", client, json.dumps(run.to_dict())])
    lease = Path(storage) / "runs" / run.run_id / "lease.json"
    while not lease.exists():
        assert process.poll() is None
    child = json.loads(lease.read_text())["owner"]["pid"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    # The lease can be taken over at once, because the process that holds it has ended or is about to end.
    assert run_in_child({"run": run.to_dict(), "storage": storage}, NAME) == "finished"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
