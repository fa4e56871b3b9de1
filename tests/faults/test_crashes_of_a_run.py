"""A run killed at any of its durable writes continues, and its results equal those of an unbroken run bit by bit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from clt_ray.store import RunDir, Store
from clt_ray.sweep.run import RunSpec
from tests.support.children import attempt, attempt_killed_at, in_child
from tests.support.processes import assert_equal_runs
from tests.support.trained import quick_run

pytestmark = pytest.mark.slow

MOST_WRITES = 200


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, RunDir]:
    """A run of two checkpoints that was not interrupted, and its directory."""
    folder = tmp_path_factory.mktemp("unbroken")
    run = quick_run(folder)
    assert in_child(attempt, run, str(folder / "store")) == 0
    return run, Store(str(folder / "store")).run_dir(run.run_id)


@pytest.mark.parametrize("halfway", [False, True])
def test_a_run_killed_at_any_write_equals_an_unbroken_one(
    unbroken: tuple[RunSpec, RunDir], tmp_path: Path, halfway: bool
) -> None:
    run, whole = unbroken
    killed = 0
    for write in range(1, MOST_WRITES):
        uri = str(tmp_path / str(write))
        # What is on the disk before a write is also there after the write before it.
        status = in_child(attempt_killed_at, run, uri, write, halfway)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        assert in_child(attempt, run, uri) == 0
        assert_equal_runs(Store(uri).run_dir(run.run_id), whole)
    # All writes have been reached, and they are as many as four steps, two checkpoints and an evaluation need.
    assert MOST_WRITES > write > killed >= (8 if halfway else 25)
