"""`ray job submit` to a real Ray head with its job server on 127.0.0.1."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clusters import ENVIRONMENT, RAY, cluster
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("r"), cpus=2, dashboard=True) as started:
        yield started.dashboard


def test_a_sweep_runs_as_a_ray_job(dashboard: str, tmp_path: Path) -> None:
    path = write(ROOT / "sweeps" / ".test-job.yaml", sweep(grid={"samples_per_language": [0]}))
    try:
        # One of these variables is among those that the program sets for its workers.
        variables = {"env_vars": {"OMP_NUM_THREADS": "2", "OF_THE_USER": "1"}}
        submit = [
            *RAY, "job", "submit", "--address", dashboard, "--working-dir", str(ROOT),
            "--runtime-env-json", json.dumps(variables), "--",
            "clt-ray", "run", "sweeps/.test-job.yaml", "--storage", str(tmp_path / "store"),
        ]  # fmt: skip
        # On a busy machine the head answers before its agent, which starts jobs, is up.
        for _ in range(20):
            result = subprocess.run(submit, capture_output=True, text=True, timeout=300, env=os.environ | ENVIRONMENT)
            if "No available agent" not in result.stderr:
                break
    finally:
        Path(path).unlink()
    assert result.returncode == 0, result.stdout + result.stderr
    results = list((tmp_path / "store").glob("runs/*/result.json"))
    assert len(results) == 1
    assert json.loads(results[0].read_text())["selection"]["metric"] == "val/loss"
