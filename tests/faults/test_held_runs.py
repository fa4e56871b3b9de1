"""All processes of a run end where the first one finds that another process executes the run, or has finished it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clt_ray.store import Store
from tests.support.commands import Holder
from tests.support.processes import execute_in_processes, outcomes
from tests.support.trained import last_run

pytestmark = pytest.mark.slow


def test_a_run_of_two_processes_that_is_held_or_finished_keeps_neither(tmp_path: Path) -> None:
    run = last_run(tmp_path, hardware={"accelerator": "CPU", "workers": 2}, training={"max_steps": 2})
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with Holder(tmp_path / "store", run.run_id):
        assert outcomes(execute_in_processes(run, tmp_path, 2), tmp_path) == ["held", "stopped"]
    assert directory.status() is None
    assert outcomes(execute_in_processes(run, tmp_path, 2), tmp_path) == ["finished"] * 2
    before = directory.result()
    assert outcomes(execute_in_processes(run, tmp_path, 2), tmp_path) == ["finished", "stopped"]
    assert directory.result() == before
