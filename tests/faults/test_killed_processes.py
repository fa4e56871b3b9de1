"""Every kind of process below the command is killed, at every stage of a run, in one sweep, which finishes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from clt_ray.store import Store
from tests.support.commands import Killable, descendants, lease
from tests.support.long_sweep import SHORT, assert_equal_stores, write_part

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.long]

STAGES = ("data", "train", "evaluate")
WORKER, CONTROLLER, TRIAL = "ray::RayTrainWorker", "ray::SweepController", "ray::ImplicitFunc"
RAYLET, CONTROL_STORE = "raylet/raylet", "gcs_server"
WARM, TRAINING = "clt_ray.orchestration.warm", "the process that trains"
VICTIMS = ((WORKER, RAYLET, TRAINING), (CONTROLLER, WARM, CONTROL_STORE), (TRIAL, TRAINING, WORKER))
"""What is killed of each run: one process in each stage."""


def processes(command: Killable, storage: Path, word: str) -> list[int]:
    """Processes of a command whose command line has a word, also those that have left its process tree."""
    found = [process for process, line in descendants(command.process.pid).items() if word in line]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and word == WARM:
            # A process may have ended, or belong to somebody else.
            with contextlib.suppress(OSError):
                if word in (entry / "cmdline").read_text() and str(storage) in (entry / "environ").read_text():
                    found.append(int(entry.name))
    return found


def test_every_kind_of_process_is_killed_in_some_stage(unbroken_sweep: Path, tmp_path: Path) -> None:
    path, runs = write_part(tmp_path / "sweep.yaml", SHORT)
    storage = tmp_path / "store"
    marked = {"CLT_RAY_STORAGE": str(storage)}
    running = Killable("run", path, "--max-concurrent", "1", storage=storage, environment=marked)

    def kill(run_id: str, victim: str) -> None:
        trains = victim == TRAINING
        found = [lease(storage, run_id).owner.pid] if trains else processes(running, storage, victim)
        assert found, f"no process {victim}"
        for process in found:
            os.kill(process, signal.SIGKILL)

    for run, victims in zip(runs, VICTIMS, strict=True):
        directory = Store(str(storage)).run_dir(run.run_id)
        for attempt, (stage, victim) in enumerate(zip(STAGES, victims, strict=True), start=1):

            def is_there(attempt: int = attempt, stage: str = stage) -> bool:
                status = directory.status()  # noqa: B023
                if directory.is_finished():  # noqa: B023
                    return True
                if status is None or status.attempt < attempt or status.stage not in STAGES:
                    return False
                return STAGES.index(status.stage) >= STAGES.index(stage)

            running.wait_for(is_there)
            if directory.is_finished():
                # The process that trains has outlived the one that was killed.
                break
            kill(run.run_id, victim)
    output = running.output()
    assert running.process.returncode == 0, output
    assert "3 of 3 runs finished, 0 failed" in output
    assert_equal_stores(storage, unbroken_sweep, runs)
