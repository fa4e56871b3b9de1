"""`ray job submit` against a real Ray head and its job server, all on 127.0.0.1."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps import sweep, write

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[2]
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
# A token that some other local cluster left in the home directory would switch authentication on for the head only.
ENVIRONMENT = os.environ | {
    "RAY_AUTH_MODE": "disabled",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, dashboard_port = free_port(), free_port()
    session = tmp_path_factory.mktemp("r")
    start = [
        *RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2",
        "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard_port}", "--disable-usage-stats",
        f"--temp-dir={session}",
    ]  # fmt: skip
    head = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)
    assert head.stdout is not None
    for line in head.stdout:
        if "Ray runtime started" in line:
            break
    yield f"http://127.0.0.1:{dashboard_port}"
    head.terminate()
    head.wait(timeout=60)


def test_the_same_sweep_runs_as_a_ray_job(dashboard: str, tmp_path: Path) -> None:
    path = write(ROOT / "sweeps" / ".test-job.yaml", sweep(grid={"samples_per_language": [0]}))
    try:
        submit = [
            *RAY, "job", "submit", "--address", dashboard, "--working-dir", str(ROOT), "--",
            "clt-ray", "run", "sweeps/.test-job.yaml", "--storage", str(tmp_path / "store"),
        ]  # fmt: skip
        done = subprocess.run(submit, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    finally:
        Path(path).unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    results = list((tmp_path / "store").glob("runs/*/result.json"))
    assert len(results) == 1
    assert json.loads(results[0].read_text())["selection"]["metric"] == "val/loss"
