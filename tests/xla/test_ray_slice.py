"""A sweep on a TPU slice under Ray: four hosts, each a Ray node with 16 virtual devices of PJRT's CPU client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch_xla")

import pandas as pd

from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from tests.support.clusters import ENVIRONMENT, V5E, Cluster, cluster
from tests.support.commands import clt_ray
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.serial

TRAINING = {"max_steps": 4, "epochs": 2, "learning_rate": 1e-5}
"""A rate at which the tiny model does not amplify rounding."""


@pytest.fixture(scope="module")
def slice_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch, cluster(tmp_path_factory.mktemp("r"), cpus=4) as started:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        started.add_slice("pod-a", {"PJRT_DEVICE": "CPU", "CPU_NUM_DEVICES": "16"})
        yield started


def test_a_slice_trains_and_scores_what_a_cpu_does(slice_cluster: Cluster, tmp_path: Path) -> None:
    grid = {"samples_per_language": [0]}
    hardware = {"accelerator": V5E, "topology": "4x4", "mesh": "16x1"}
    path = write(tmp_path / "slice.yaml", sweep(hardware=hardware, grid=grid, training=TRAINING))
    done = clt_ray("run", path, "--address", slice_cluster.address, storage=tmp_path / "slice", timeout_seconds=500)
    assert done.returncode == 0, done.stdout + done.stderr

    # Hardware is no part of a run's identity, so the same run on one CPU has the same name.
    path = write(tmp_path / "cpu.yaml", sweep(grid=grid, training=TRAINING))
    run = expand(load_sweep(path))[0]
    done = clt_ray("run", path, "--address", "local", storage=tmp_path / "cpu", timeout_seconds=500)
    assert done.returncode == 0, done.stdout + done.stderr
    there, here = (tmp_path / where / "runs" / run.run_id for where in ("slice", "cpu"))
    expected = [json.loads(line) for line in (here / "validation.jsonl").read_text().splitlines()]
    actual = [json.loads(line) for line in (there / "validation.jsonl").read_text().splitlines()]
    assert [point["step"] for point in actual] == [point["step"] for point in expected]
    for on_slice, on_cpu in zip(actual, expected, strict=True):
        assert on_slice["metrics"] == pytest.approx(on_cpu["metrics"], rel=1e-4)
    scores_there, scores_here = (pd.read_csv(folder / "scores.csv").drop(columns="run_id") for folder in (there, here))
    pd.testing.assert_frame_equal(scores_there, scores_here)
    # Every host compiled, and one of them wrote.
    assert len(list(there.glob("checkpoints/*"))) == 1
