"""Sweeps of runs that take no time: what remains is the sweep itself.

The supervisor, its monitor, MLflow, the driver process, Ray Tune and the store are the real ones. A trial does not
start a Ray Train run: `record` writes into the run directory what a finished run leaves. What grows with the number of
runs in Ray Train's processes and in the training process is therefore not seen here.

    python -m tests.support.trivial_runs DESCRIPTOR      the driver process of such a sweep
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clt_ray.opened import open_sweep
from clt_ray.orchestration import supervisor
from clt_ray.orchestration.monitor import SweepSnapshot
from clt_ray.store import StageSeconds, Store
from clt_ray.store.recorder import RunRecorder
from clt_ray.sweep.run import RunSpec
from clt_ray.verbs.run import RunOptions, run
from tests.support.run_dirs import COLUMNS, csv_text, result, score_rows
from tests.support.sweeps import sweep, write

MODULE = "tests.support.trivial_runs"


def record(config: dict[str, Any], runs: Mapping[str, Any], job: dict[str, Any]) -> None:
    """Takes the place of `clt_ray.orchestration.driver.drive` in the trials."""
    import ray.tune

    spec = RunSpec.from_dict(json.loads(runs[config["cell"]["run_id"]]))
    directory = Store(job["storage"]).run_dir(spec.run_id)
    with directory.acquire_lease(claim=job["claim"]):
        directory.write_run(spec)
        recorder = RunRecorder(directory, spec)
        recorder.progress(stage="train", step=spec.steps, total_steps=spec.steps, loss=1.0)
        directory.append_metrics("validation", spec.steps, {"val/loss": 1.0})
        scores = csv_text(COLUMNS, list(score_rows(spec)))
        recorder.finish({"scores.csv": scores}, result(spec, spec.steps, StageSeconds(train=1.0, evaluate=1.0)))
    ray.tune.report({"outcome": "finished"})


@dataclass
class Observed:
    """What was seen of a sweep."""

    ended: list[float] = field(default_factory=list)
    """When each run had ended, in Unix seconds, in ascending order."""
    resident: list[tuple[int, int, int]] = field(default_factory=list)
    """Each second: the number of finished runs, and the resident memory of the supervisor and of the driver process in
    bytes."""

    def seconds_per_run(self, first: int, last: int) -> float:
        """Returns the mean time between the ends of two runs, given by their place in the order of ending."""
        return (self.ended[last] - self.ended[first]) / (last - first)

    def resident_bytes(self, done: int) -> tuple[int, int]:
        """Returns the resident memory of supervisor and driver when `done` runs had finished."""
        return next((ours, drivers) for count, ours, drivers in self.resident if count >= done and drivers)


def execute(folder: Path, count: int) -> Observed:
    """Executes a sweep of trivial runs whose files are in a folder."""
    changes = {"grid": {"samples_per_language": [8]}, "seeds": list(range(count))}
    file = write(folder / "trivial.yaml", sweep(**changes))
    opened = open_sweep(file, storage=str(folder / "store"), tracking_uri=f"sqlite:///{folder}/mlflow.db")
    observed = Observed()

    def show(snapshot: SweepSnapshot) -> None:
        observed.resident.append((snapshot.done, resident_bytes(os.getpid()), _drivers_bytes()))

    with patch.object(supervisor, "MODULE", MODULE):
        outcome = run(opened, RunOptions(max_concurrent=2), show=show)
    assert outcome.exit_code == 0, outcome
    statuses = opened.store.statuses([spec.run_id for spec in opened.runs])
    observed.ended = sorted(status.updated or 0.0 for status in statuses.values())
    assert len(observed.ended) == count
    return observed


def resident_bytes(process: int) -> int:
    """Returns the resident memory of a process, 0 when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _drivers_bytes() -> int:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        with suppress(FileNotFoundError, ProcessLookupError):
            if MODULE in Path(f"/proc/{child}/cmdline").read_text():
                return resident_bytes(int(child))
    return 0


if __name__ == "__main__":
    from clt_ray.orchestration import driver
    from clt_ray.orchestration import sweep as driver_process

    with patch.object(driver, "drive", record):
        driver_process.main()
