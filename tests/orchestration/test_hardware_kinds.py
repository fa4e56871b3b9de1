"""Runs with several acceptable kinds of hardware take the kind that is free, and the results do not depend on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from tests.support.clusters import Cluster, cluster, held
from tests.support.commands import POLL, Killable, clt_ray
from tests.support.sweeps import sweep, write

pytestmark = [pytest.mark.serial, pytest.mark.slow]

KINDS = [{"accelerator": "CPU", "cpus_per_worker": cpus} for cpus in (2, 1)]


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A node for each kind."""
    with cluster(tmp_path_factory.mktemp("r"), cpus=0) as started:
        for cpus in (2, 1):
            started.add(cpus=cpus, resources={}, labels={}, environment={})
        yield started


def document(kinds: object, *sizes: int) -> dict[str, object]:
    return {**sweep(grid={"samples_per_language": list(sizes)}), "hardware": kinds}


def cpus_of_runs(storage: Path) -> list[int]:
    documents = (json.loads(file.read_text()) for file in storage.glob("runs/*/run.json"))
    return sorted(run["hardware"]["cpus_per_worker"] for run in documents)


def test_two_runs_take_a_kind_each_and_a_kind_that_the_cluster_lacks_is_passed_over(
    nodes: Cluster, tmp_path: Path
) -> None:
    path = write(tmp_path / "sweep.yaml", document([{"accelerator": "GPU"}, *KINDS], 4, 8))
    storage = tmp_path / "store"
    ended = clt_ray("run", path, "--address", nodes.address, storage=storage)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert cpus_of_runs(storage) == [1, 2]
    # Hardware is not part of what a run is: the same sweep on one kind has nothing to do.
    again = clt_ray("run", write(tmp_path / "plain.yaml", document(KINDS[1], 4, 8)), storage=storage)
    assert "nothing to do: all 2 runs" in again.stdout


def test_a_run_that_waits_for_one_kind_moves_to_another_that_comes_free(nodes: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path / "sweep.yaml", document(KINDS, 4))
    storage = tmp_path / "store"
    (run_id,) = [run.run_id for run in expand(load_sweep(path))]
    waiting = storage / "runs" / run_id / "waiting.json"
    with held(nodes.address, 2), held(nodes.address, 1) as release:
        running = Killable("run", path, "--address", nodes.address, storage=storage)
        while not waiting.exists():
            assert running.process.poll() is None, running.output()
            POLL.wait(0.1)
        assert json.loads(waiting.read_text())["resources"] == "1 worker with 2 CPU"
        release()
        output = running.output()
        assert running.process.returncode == 0, output
        assert "1 of 1 runs finished" in output
    assert cpus_of_runs(storage) == [1]
    assert not waiting.exists()
