"""Metrics of speed count the tokens and seconds of optimizer steps only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clt_ray.store import RunDir, Store
from clt_ray.training.throughput import PADDING_FRACTION, STEP_SECONDS, TOKENS_PER_SECOND, Throughput
from tests.support.store_cases import ManualClock
from tests.support.trained import last_run, train_run

LOG_INTERVAL_SECONDS = 3.0
"""Time of the steps between two logs in the training of the test."""
VALIDATION_SECONDS, CHECKPOINT_SECONDS = 1_000.0, 20_000.0


def mask(tokens: int, padding: int) -> torch.Tensor:
    return torch.tensor([[1] * tokens + [0] * padding])


def test_tokens_seconds_and_padding_of_the_steps_since_the_last_call() -> None:
    clock = ManualClock()
    throughput = Throughput(clock)
    throughput.add_step(mask(30, 10))
    clock.now += 4
    throughput.add_step(mask(10, 30))
    assert throughput.metrics() == {TOKENS_PER_SECOND: 10.0, PADDING_FRACTION: 0.5, STEP_SECONDS: 2.0}
    throughput.add_step(mask(8, 0))
    clock.now += 1
    assert throughput.metrics() == {TOKENS_PER_SECOND: 8.0, PADDING_FRACTION: 0.0, STEP_SECONDS: 1.0}


def test_excluded_time_does_not_count() -> None:
    clock = ManualClock()
    throughput = Throughput(clock)
    throughput.add_step(mask(10, 0))
    clock.now += 2
    for seconds in (100, 1000):
        with throughput.excluded():
            clock.now += seconds
    assert throughput.metrics() == {TOKENS_PER_SECOND: 5.0, PADDING_FRACTION: 0.0, STEP_SECONDS: 2.0}


def test_no_step_gives_no_division_by_zero() -> None:
    assert set(Throughput(ManualClock()).metrics().values()) == {0.0}


@dataclass(frozen=True)
class SlowJournal:
    """A run directory in which every validation and every checkpoint takes a long time."""

    directory: RunDir
    clock: ManualClock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.directory, name)

    def append_metrics(self, log: Any, step: int, metrics: Mapping[str, float]) -> None:
        if log == "validation":
            self.clock.now += VALIDATION_SECONDS
        self.directory.append_metrics(log, step, metrics)

    def commit_tree(self, staging: Path, name: str) -> None:
        self.clock.now += CHECKPOINT_SECONDS
        self.directory.commit_tree(staging, name)


def test_validation_and_checkpoints_do_not_count_as_time_of_the_steps(tmp_path: Path) -> None:
    run = last_run(tmp_path)
    clock = ManualClock()
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)

    def progress(**_: Any) -> None:
        clock.now += LOG_INTERVAL_SECONDS

    train_run(run, SlowJournal(directory, clock), tmp_path / "staging", progress, clock)
    logged = [point.metrics for point in directory.metrics("train")]
    assert [metrics[STEP_SECONDS] for metrics in logged] == [0.0, *[LOG_INTERVAL_SECONDS / 2] * (len(logged) - 1)]
    assert all(metrics[TOKENS_PER_SECOND] > 0 for metrics in logged[1:])
