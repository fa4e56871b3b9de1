"""Trains runs in the process of a test, completely or until an interruption, and reads their records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clt_ray.data.formatting import encode
from clt_ray.data.mixture import build_run_data
from clt_ray.evaluation.evaluate import answer_scorer
from clt_ray.store import RunDir
from clt_ray.store.run_dir import Log
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection
from clt_ray.training.backends import select_backend
from clt_ray.training.job import TrainingJob
from clt_ray.training.journal import Journal, Supervisor
from clt_ray.training.model import load_tokenizer
from clt_ray.training.train import train
from tests.support.store_cases import ManualClock
from tests.support.sweeps import sweep, write


def last_run(folder: Path, **changes: Any) -> RunSpec:
    """Returns the last run of the tiny sweep with changed sections."""
    return expand(load_sweep(write(folder / "sweep.yaml", sweep(**changes))))[-1]


def quick_run(folder: Path) -> RunSpec:
    """Returns a run of two checkpoints that is as short as a run can be, for tests that execute it very often."""
    return last_run(
        folder,
        training={"max_steps": 4, "batch_size": 4, "max_length": 64},
        validation={"samples_per_language": 2},
        evaluation={"samples_per_language": 1, "max_new_tokens": 2},
    )


def train_run(
    run: RunSpec,
    directory: Journal,
    staging: Path,
    progress: Callable[..., Any],
    clock: Callable[[], float] = time.monotonic,
    supervisor: Supervisor | None = None,
) -> Selection:
    """Trains a run, or resumes its training, without the evaluation."""
    backend = select_backend(run)
    backend.start(run)
    data, tokenizer = build_run_data(run), load_tokenizer(run.model)
    length = run.training.max_length
    job = TrainingJob(
        run,
        [encode(row, tokenizer, length) for row in data.train],
        {pair: [encode(row, tokenizer, length) for row in rows] for pair, rows in data.validation.items()},
        tokenizer,
        answer_scorer(run, data.validation, tokenizer, backend),
    )
    return train(job, backend, directory, progress, staging, clock, supervisor)


def quiet(**_: Any) -> None:
    """Ignores the progress of training."""


class Interrupted(Exception):
    """Ends a training before its last step."""


def interrupt_at(step: int) -> Callable[..., Any]:
    """Returns a receiver of progress that interrupts training once a step is logged."""

    def progress(**position: Any) -> None:
        if position["step"] >= step:
            raise Interrupted

    return progress


class Requests:
    """Asks a training to stop after some of its signs of progress."""

    def __init__(self, beats: set[int]) -> None:
        self.beats, self.count = beats, 0

    @property
    def stop_reason(self) -> str | None:
        return "a test" if self.count in self.beats else None

    def beat(self) -> None:
        self.count += 1


@dataclass(frozen=True)
class SlowJournal:
    """A run directory in which validations and checkpoints advance a clock."""

    directory: RunDir
    clock: ManualClock
    validation_seconds: float
    checkpoint_seconds: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.directory, name)

    def append_metrics(self, log: Log, step: int, metrics: Mapping[str, float]) -> None:
        if log == "validation":
            self.clock.now += self.validation_seconds
        self.directory.append_metrics(log, step, metrics)

    def commit_tree(self, staging: Path, name: str) -> None:
        self.clock.now += self.checkpoint_seconds
        self.directory.commit_tree(staging, name)


def recorded(directory: RunDir, log: Log) -> list[tuple[int, dict[str, float]]]:
    """Returns the (step, metrics) of a log without the metrics of speed, which differ between equal runs."""
    return [
        (point.step, {name: value for name, value in point.metrics.items() if not name.startswith("perf/")})
        for point in directory.metrics(log)
    ]
