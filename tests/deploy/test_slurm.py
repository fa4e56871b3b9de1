"""deploy/slurm/sweep.sh with real Ray on one node, and the commands of Slurm that it calls played by scripts.

`ray symmetric-run` ends with `ray stop`, which ends every Ray of the user: the test has a process namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clt_ray.cli import INCOMPLETE
from tests.support.sweeps import sweep, write

pytestmark = [pytest.mark.serial, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "deploy" / "slurm" / "sweep.sh"
# srun starts the command on each node, here on one. getent gives an address of the node.
COMMANDS = {
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": "echo node1",
    "getent": 'echo "127.0.0.1 STREAM node1"',
}
# The script gets the signal that Slurm sends it, once the sweep trains.
STOP = """
"$@" & script=$!
until grep --quiet --no-messages '"stage": "train"' store/runs/*/status.json; do
    kill -0 $script || exit 99
    sleep 0.1
done
kill -USR1 $script
while kill -0 $script 2> /dev/null; do wait $script; status=$?; done
exit $status
"""


@pytest.fixture
def isolated() -> list[str]:
    unshare = ["unshare", "--pid", "--net", "--fork", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this system gives no process namespace")
    return [*unshare, "bash", "-c", 'ip link set lo up; exec "$@"', "isolated"]


def submit(folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    for name, text in COMMANDS.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (folder / name).chmod(0o755)
    environment = {
        **os.environ, "PATH": os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "CLT_RAY_ENVIRONMENT": str(Path(sys.executable).parents[1]), "PYTHONPATH": os.pathsep.join(sys.path),
        "SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_NODELIST": "node1", "SLURM_JOB_NUM_NODES": "1",
        "HOME": str(folder),
    }  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=400)


def test_a_sweep_runs_and_leaves_no_token(isolated: list[str], tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [0]}))
    result = submit(tmp_path, [*isolated, str(SCRIPT), file, "--storage", str(tmp_path / "store")])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 of 1 runs finished" in result.stdout
    assert list(tmp_path.glob(".clt-ray-job*")) == []


def test_the_end_of_the_time_stops_the_sweep_gently(isolated: list[str], tmp_path: Path) -> None:
    training = {"epochs": 200, "eval_every": 50}
    file = write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [0]}, training=training))
    script = [str(SCRIPT), file, "--storage", str(tmp_path / "store")]
    result = submit(tmp_path, [*isolated, "bash", "-c", STOP, "stop", *script])
    assert result.returncode == INCOMPLETE, result.stdout + result.stderr
