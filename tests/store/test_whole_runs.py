"""Whole runs whose store is an object store that is slow and fails: killed, resumed, and equal to an unbroken run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clt_ray.pipeline import execute
from clt_ray.store import LeaseDocument, Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.storage_servers import ObjectStore
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from clt_ray.pipeline import execute
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec
print(execute(RunSpec.from_dict(json.loads(sys.argv[1])), Store(sys.argv[2])))
"""


def start(run: RunSpec, uri: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, json.dumps(run.to_dict()), uri]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, Store]:
    """A run, and the local store in which it was executed without an interruption."""
    folder = tmp_path_factory.mktemp("unbroken")
    run = expand(load_sweep(write(folder / "sweep.yaml", sweep())))[-1]
    store = Store(str(folder / "store"))
    assert execute(run, store) == "finished"
    return run, store


def test_a_run_that_is_killed_resumes_and_equals_an_unbroken_one(
    object_store: ObjectStore, unbroken: tuple[RunSpec, Store], tmp_path: Path
) -> None:
    run, local = unbroken
    uri = object_store.new_uri()
    object_store.proxy.latency_seconds = 0.04
    try:
        directory = Store(uri).run_dir(run.run_id)
        process = start(run, uri)
        while not directory.complete_trees("checkpoints/resume"):
            assert process.poll() is None
        process.kill()
        process.wait()
        object_store.proxy.inject(503, "reset", "lose reply", 429)
        process = start(run, uri)
        output, _ = process.communicate(timeout=300)
    finally:
        object_store.proxy.latency_seconds = 0.0
        object_store.proxy.faults.clear()
    assert output.strip() == "finished"
    status, expected = directory.status(), local.run_dir(run.run_id)
    assert status is not None and status.attempt == 2
    assert directory.read_text("scores.csv") == expected.read_text("scores.csv")
    for log in ("train", "validation"):
        ours, theirs = directory.metrics(log), expected.metrics(log)  # type: ignore[arg-type]
        assert [point.step for point in ours] == [point.step for point in theirs]
    losses = [[point.metrics["val/loss"] for point in d.metrics("validation")] for d in (directory, expected)]
    assert losses[0] == losses[1]
    assert directory.complete_trees("checkpoints/") == expected.complete_trees("checkpoints/")
    lease = LeaseDocument.decode(directory.read_text("lease.json").encode(), "lease.json")
    assert (lease.epoch, lease.base, lease.is_released) == (2, 2, True)
