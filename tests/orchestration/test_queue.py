"""Which run starts next: limits of the cluster, of concurrency and of chip-hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clt_ray.orchestration.queue import PATIENCE_SECONDS, SETTLING_SECONDS, Limits, RunQueue, pool
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import HardwareSpec
from tests.support.sweeps import sweep, write

GPU = HardwareSpec(accelerator="GPU")
CPU = HardwareSpec()
FREE = {pool(CPU): Limits(100), pool(GPU): Limits(100)}


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunSpec, ...]:
    return expand(load_sweep(write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [0, 2, 4, 8, 16]}))))


def taken(queue: RunQueue, limits: dict[str, Limits]) -> list[str]:
    """Takes runs until the queue gives none."""
    ids = []
    while (run := queue.next(limits)) is not None:
        ids.append(run.run_id)
    return ids


def test_as_many_runs_ask_for_a_place_as_the_cluster_can_take(runs: Sequence[RunSpec]) -> None:
    queue = RunQueue(runs)
    limits = {pool(CPU): Limits(pending=2)}
    first = taken(queue, limits)
    assert first == [run.run_id for run in runs[:2]] and not queue.done
    queue.started(first[0])
    assert taken(queue, limits) == [runs[2].run_id]
    queue.ended(first[0], "finished")
    assert taken(queue, limits) == []
    assert taken(queue, {pool(CPU): Limits(pending=9, live=3)}) == [runs[3].run_id]
    assert taken(queue, FREE) == [runs[4].run_id] and queue.done


def test_one_hardware_without_room_does_not_hold_up_another(runs: Sequence[RunSpec]) -> None:
    mixed = [replace(runs[0], hardware=GPU), *runs[1:3]]
    queue = RunQueue(mixed)
    assert taken(queue, {pool(CPU): Limits(1)}) == [runs[1].run_id]
    assert not queue.done
    assert taken(queue, {pool(CPU): Limits(0), pool(GPU): Limits(1)}) == [runs[0].run_id]


def test_the_limit_of_concurrency_counts_all_hardware(runs: Sequence[RunSpec]) -> None:
    queue = RunQueue([replace(runs[0], hardware=GPU), *runs[1:3]], max_concurrent=1)
    assert taken(queue, FREE) == [runs[0].run_id]
    queue.ended(runs[0].run_id, "finished")
    assert taken(queue, FREE) == [runs[1].run_id]


def test_no_run_starts_that_would_pass_the_chip_hours(runs: Sequence[RunSpec]) -> None:
    clock = Clock()
    queue = RunQueue(runs, max_concurrent=1, max_chip_hours=2.5, clock=clock)
    hours = []
    while (run := queue.next(FREE)) is not None:
        queue.started(run.run_id)
        clock.now += 3600
        queue.ended(run.run_id, "finished")
        hours.append(queue.chip_hours())
    # A run on CPUs has no planned cost, so the first one costs nothing in advance and the others what it took.
    assert hours == [1.0, 2.0]
    assert set(queue.unaffordable) == {run.run_id for run in runs[2:]}
    assert "2.00 used, and it needs about 1.00" in queue.unaffordable[runs[2].run_id]
    assert queue.done


def test_runs_under_way_are_counted_before_the_next_one_starts(runs: Sequence[RunSpec]) -> None:
    clock = Clock()
    queue = RunQueue(runs, max_chip_hours=2.0, clock=clock)
    first = queue.next(FREE)
    assert first is not None
    queue.started(first.run_id)
    clock.now = 2.5 * 3600
    assert queue.next(FREE) is None and not queue.done and not queue.unaffordable
    queue.ended(first.run_id, "finished")
    assert queue.next(FREE) is None and queue.done and len(queue.unaffordable) == len(runs) - 1


def test_lost_runs_are_first_in_line_again(runs: Sequence[RunSpec]) -> None:
    clock = Clock()
    queue = RunQueue(runs, clock=clock)
    two = taken(queue, {pool(CPU): Limits(2)})
    queue.started(two[0])
    clock.now = 1800
    assert [run.run_id for run in queue.put_back()] == two
    assert queue.chip_hours() == 0.5
    assert taken(queue, {pool(CPU): Limits(3)}) == [run.run_id for run in runs[:3]]


def test_a_stopping_queue_gives_nothing(runs: Sequence[RunSpec]) -> None:
    queue = RunQueue(runs)
    queue.stopping = True
    assert queue.next(FREE) is None and queue.done


@pytest.fixture
def choosy(runs: Sequence[RunSpec]) -> list[RunSpec]:
    """Runs that prefer GPUs and accept CPUs."""
    return [replace(run, hardware=GPU, other_hardware=(CPU,)) for run in runs]


def limits(gpu: Limits, cpu: Limits) -> dict[str, Limits]:
    return {pool(GPU): gpu, pool(CPU): cpu}


def asked(queue: RunQueue, limits: dict[str, Limits]) -> list[str]:
    """Takes runs until the queue gives none; returns the hardware that each asks for."""
    kinds = []
    while (run := queue.next(limits)) is not None:
        kinds.append(run.hardware.accelerator)
    return kinds


def test_runs_take_the_first_hardware_that_is_free(choosy: Sequence[RunSpec]) -> None:
    queue = RunQueue(choosy)
    assert asked(queue, limits(Limits(8, free=2), Limits(8, free=1))) == ["GPU", "GPU", "CPU", "GPU", "GPU"]
    assert [live.run.run_id for live in queue.live.values()] == [run.run_id for run in choosy]


def test_hardware_that_the_cluster_lacks_is_passed_over(choosy: Sequence[RunSpec]) -> None:
    assert asked(RunQueue(choosy), {pool(CPU): Limits(2)}) == ["CPU", "CPU"]


def test_the_next_hardware_is_asked_for_when_the_first_does_not_come(choosy: Sequence[RunSpec]) -> None:
    clock = Clock()
    queue = RunQueue(choosy[:2], clock=clock)
    growing = limits(Limits(1), Limits(1))
    assert asked(queue, growing) == ["GPU"]
    clock.now = PATIENCE_SECONDS + 1
    assert asked(queue, growing) == ["CPU"]
    # Now each waits for what the other one has asked for already.
    assert queue.movable(growing) is None
    moving = queue.movable(limits(Limits(1), Limits(2)))
    assert moving is not None and moving.run.run_id == choosy[0].run_id
    queue.withdraw(moving.run.run_id)
    assert asked(queue, limits(Limits(1), Limits(2))) == ["CPU"]
    assert queue.waited(queue.live[choosy[0].run_id]) == PATIENCE_SECONDS + 1


def test_a_waiting_run_moves_to_hardware_that_comes_free(choosy: Sequence[RunSpec]) -> None:
    clock = Clock()
    queue = RunQueue(choosy[:1], clock=clock)
    assert asked(queue, limits(Limits(1), Limits(1))) == ["GPU"]
    free = limits(Limits(1), Limits(1, free=1))
    # Its own place may be on the way.
    assert queue.movable(free) is None
    clock.now = SETTLING_SECONDS + 1
    moving = queue.movable(free)
    assert moving is not None
    queue.withdraw(moving.run.run_id)
    assert queue.waiting == {choosy[0].run_id: choosy[0]} and queue.chip_hours() == 0
    assert asked(queue, free) == ["CPU"]
    queue.started(choosy[0].run_id)
    clock.now += 3600
    assert queue.movable(limits(Limits(1, free=1), Limits(1))) is None


def test_the_wait_for_a_slice_costs_nothing(runs: Sequence[RunSpec]) -> None:
    clock = Clock()
    slice_ = HardwareSpec(accelerator="TPU-V5LITEPOD", topology="4x4")
    queue = RunQueue([replace(runs[0], hardware=slice_)], clock=clock)
    assert queue.next({pool(slice_): Limits(1)}) is not None
    queue.reserves(runs[0].run_id)
    clock.now = 7200
    assert queue.chip_hours() == 0 and queue.movable({}) is None
    queue.started(runs[0].run_id)
    clock.now += 1800
    assert queue.chip_hours() == 8
