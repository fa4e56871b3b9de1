"""Metrics of speed count the tokens and seconds of optimizer steps only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from clt_ray.store import Store
from clt_ray.training.throughput import PADDING_FRACTION, STEP_SECONDS, TOKENS_PER_SECOND, Throughput
from tests.support.store_cases import ManualClock
from tests.support.trained import SlowJournal, last_run, train_run

LOG_INTERVAL_SECONDS = 3.0
"""Time of the steps between two logs in the training of the test."""


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


def test_validation_and_checkpoints_do_not_count_as_time_of_the_steps(tmp_path: Path) -> None:
    run = last_run(tmp_path)
    clock = ManualClock()
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)

    def progress(**_: Any) -> None:
        clock.now += LOG_INTERVAL_SECONDS

    train_run(run, SlowJournal(directory, clock, 1_000.0, 20_000.0), tmp_path / "staging", progress, clock)
    logged = [point.metrics for point in directory.metrics("train")]
    assert [metrics[STEP_SECONDS] for metrics in logged] == [0.0, *[LOG_INTERVAL_SECONDS / 2] * (len(logged) - 1)]
    assert all(metrics[TOKENS_PER_SECOND] > 0 for metrics in logged[1:])
