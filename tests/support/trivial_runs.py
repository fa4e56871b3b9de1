"""Sweeps of runs that take no time: what remains is the sweep itself.

The supervisor, its monitor, MLflow, the driver process, Ray Tune and the store are the real ones. A trial does not
start a Ray Train run: `record` writes into the run directory what a finished run leaves. What grows with the number of
runs in Ray Train's processes and in the training process is therefore not seen here.

    python -m tests.support.trivial_runs DESCRIPTOR      the driver process of such a sweep
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clt_ray.evaluation.evaluate import csv_text
from clt_ray.opened import open_sweep
from clt_ray.orchestration import supervisor
from clt_ray.orchestration.monitor import SweepSnapshot
from clt_ray.store import StageSeconds, StatusDocument, Store
from clt_ray.store.recorder import RunRecorder
from clt_ray.sweep.run import RunSpec
from clt_ray.verbs.run import RunOptions, run
from tests.support.run_dirs import COLUMNS, result, score_rows
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


@dataclass(frozen=True)
class Sample:
    """What was seen of the processes at one moment of a sweep."""

    done: int
    """Number of finished runs."""
    supervisor_bytes: int
    """Resident memory of the supervisor."""
    driver_bytes: int
    """Resident memory of the driver process; 0 while there is none."""
    supervisor_cpu_seconds: float
    """CPU time that the supervisor has used, most of it for MLflow."""
    driver_cpu_seconds: float


@dataclass
class Observed:
    """What was seen of a sweep."""

    ended: list[float] = field(default_factory=list)
    """When each run had ended, in Unix seconds, in ascending order."""
    samples: list[Sample] = field(default_factory=list)
    """One for each second."""

    def seconds_per_run(self, first: int, last: int) -> float:
        """Returns the mean time between the ends of two runs, given by their place in the order of ending."""
        return (self.ended[last - 1] - self.ended[first]) / (last - 1 - first)

    def cpu_seconds_per_run(self, first: int, last: int) -> tuple[float, float]:
        """Returns the mean CPU times of supervisor and driver between the first samples with so many finished runs."""
        earlier, later = self.at(first), self.at(last)
        supervisor = later.supervisor_cpu_seconds - earlier.supervisor_cpu_seconds
        drivers = later.driver_cpu_seconds - earlier.driver_cpu_seconds
        return supervisor / (later.done - earlier.done), drivers / (later.done - earlier.done)

    def at(self, done: int) -> Sample:
        """Returns the first sample with at least `done` finished runs, or the last one with a driver process."""
        alive = [sample for sample in self.samples if sample.driver_bytes]
        return next((sample for sample in alive if sample.done >= done), alive[-1])


def execute(folder: Path, count: int) -> Observed:
    """Executes a sweep of trivial runs whose files are in a folder."""
    changes = {"grid": {"samples_per_language": [8]}, "seeds": list(range(count))}
    file = write(folder / "trivial.yaml", sweep(**changes))
    opened = open_sweep(file, storage=str(folder / "store"), tracking_uri=f"sqlite:///{folder}/mlflow.db")
    observed = Observed()

    def show(snapshot: SweepSnapshot) -> None:
        ours, drivers = usage(os.getpid()), next(map(usage, _drivers()), (0, 0.0))
        observed.samples.append(Sample(snapshot.done, ours[0], drivers[0], ours[1], drivers[1]))

    with patch.object(supervisor, "MODULE", MODULE):
        outcome = run(opened, RunOptions(max_concurrent=2), show=show)
    assert outcome.exit_code == 0, outcome
    statuses = opened.store.documents([spec.run_id for spec in opened.runs], StatusDocument)
    observed.ended = sorted(status.updated or 0.0 for status in statuses.values())
    assert len(observed.ended) == count
    return observed


def usage(process: int) -> tuple[int, float]:
    """Returns the resident memory of a process in bytes and its CPU time in seconds; zeros when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return pages * os.sysconf("SC_PAGE_SIZE"), sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return 0, 0.0


def _drivers() -> Iterator[int]:
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):
            if MODULE in Path(f"/proc/{child}/cmdline").read_text():
                yield int(child)


if __name__ == "__main__":
    from clt_ray.orchestration import driver
    from clt_ray.orchestration import sweep as driver_process

    with patch.object(driver, "drive", record):
        driver_process.main()
