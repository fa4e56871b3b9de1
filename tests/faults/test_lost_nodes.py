"""A run on nodes that are taken away ten times finishes, and its budget of errors is as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clt_ray.orchestration.trainer import BUDGETS
from clt_ray.store import Store
from tests.support.clusters import Cluster, cluster, kill
from tests.support.commands import Killable, kill_lease_holder
from tests.support.long_sweep import LONG, assert_equal_stores, write_part

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.long]

LOSSES = 10


def add_node(started: Cluster) -> subprocess.Popen[str]:
    return started.add(cpus=1, resources={}, labels={}, environment={})


def test_a_run_whose_nodes_are_lost_ten_times_finishes(
    unbroken_sweep: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, (run,) = write_part(tmp_path / "sweep.yaml", [LONG])
    storage = tmp_path / "store"
    directory = Store(str(storage)).run_dir(run.run_id)

    def is_training(attempt: int, after: str) -> bool:
        """Whether this attempt trains, and the newest checkpoint is newer than another one."""
        status = directory.status()
        if status is None or (status.attempt, status.stage) != (attempt, "train"):
            return False
        return max(directory.complete_trees("checkpoints/resume"), default="") > after

    newest, attempts = "", 1
    with cluster(tmp_path_factory.mktemp("r"), cpus=0) as started:
        node = add_node(started)
        running = Killable("run", path, "--address", started.address, storage=storage)
        for _ in range(LOSSES):
            running.wait_for(lambda: is_training(attempts, newest))  # noqa: B023
            newest = max(directory.complete_trees("checkpoints/resume"))
            kill(node)
            node, attempts = add_node(started), attempts + 1
        for _ in range(int(BUDGETS.max_failures)):
            running.wait_for(lambda: is_training(attempts, ""))  # noqa: B023
            kill_lease_holder(storage, run.run_id)
            attempts += 1
        output = running.output()
    assert running.process.returncode == 0, output
    assert "1 of 1 runs finished, 0 failed" in output
    status = directory.status()
    assert status is not None and status.attempt == attempts == 1 + LOSSES + BUDGETS.max_failures
    assert_equal_stores(storage, unbroken_sweep, [run])
