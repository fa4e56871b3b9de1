"""Runs in a child that the warm process forks, or in that process itself: results, errors, its end with its client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clt_ray.orchestration.warm import ChildDied, run_in_child, run_in_series
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.sweeps import sweep, write

Execute = Callable[[dict[str, Any], str], str]


@pytest.fixture
def run(tmp_path: Path) -> RunSpec:
    return expand(load_sweep(write(tmp_path / "sweep.yaml", sweep())))[0]


@pytest.fixture(params=[run_in_child, run_in_series])
def execute(request: pytest.FixtureRequest) -> Execute:
    chosen: Execute = request.param
    return chosen


@pytest.fixture
def name(execute: Execute) -> str:
    """The name of the warm process of this test process and kind."""
    return f"test-{os.getpid()}-{execute.__name__}"


def process_of(storage: str, run: RunSpec) -> int:
    """The process that executes or has executed a run."""
    lease = Path(storage, "runs", run.run_id, "lease.json")
    return int(json.loads(lease.read_text())["owner"]["pid"])


def test_a_run_is_executed_in_a_new_child_or_in_the_process_of_the_run_before(
    run: RunSpec, tmp_path: Path, execute: Execute, name: str
) -> None:
    processes = set()
    for store in ("first", "second"):
        storage = str(tmp_path / store)
        assert execute({"run": run.to_dict(), "storage": storage}, name) == "finished"
        assert Store(storage).run_dir(run.run_id).exists("result.json")
        processes.add(process_of(storage, run))
    assert len(processes) == (2 if execute is run_in_child else 1)


def test_an_exception_is_raised_again_with_its_traceback_and_the_next_run_works(
    run: RunSpec, tmp_path: Path, execute: Execute, name: str
) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Traceback"):
            execute({"run": {}, "storage": str(tmp_path)}, name)
    assert execute({"run": run.to_dict(), "storage": str(tmp_path / "store")}, name) == "finished"


def test_a_process_that_is_killed_is_reported(run: RunSpec, tmp_path: Path, execute: Execute, name: str) -> None:
    """A second process kills it as soon as it holds the run's lease."""
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
        execute({"run": run.to_dict(), "storage": storage}, name)
    assert process.wait() == 0
    assert execute({"run": run.to_dict(), "storage": storage}, name) == "finished"


def test_the_process_dies_with_its_client(run: RunSpec, tmp_path: Path, execute: Execute, name: str) -> None:
    storage = str(tmp_path / "store")
    client = textwrap.dedent(f"""
        import json, sys
        from clt_ray.orchestration.warm import {execute.__name__} as execute
        execute({{"run": json.loads(sys.argv[1]), "storage": {storage!r}}}, {name!r})
    """)
    process = subprocess.Popen([sys.executable, "-c", client, json.dumps(run.to_dict())])
    lease = Path(storage) / "runs" / run.run_id / "lease.json"
    while not lease.exists():
        assert process.poll() is None
    executing = process_of(storage, run)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # The lease can be taken over at once, because the process that holds it has ended or is about to end.
    assert execute({"run": run.to_dict(), "storage": storage}, name) == "finished"
    with pytest.raises(ProcessLookupError):
        os.kill(executing, 0)
