"""Estimated tokens and chip-hours of runs, checked against worked examples."""

from __future__ import annotations

import pytest

from clt_ray.sweep import RunSpec, cost
from clt_ray.sweep.accelerators import TPUS
from clt_ray.tasks import TASKS
from tests.support.sweeps import SMALL, TPU, runs_of, small_sweep


def test_tokens_follow_from_rows_epochs_steps_and_the_maximum_length() -> None:
    (run,) = runs_of(grid=SMALL["grid"] | {"samples_per_language": [0]}, training={"epochs": 3})
    assert cost.training_tokens(run) == 3 * 10_000 * TASKS["math"].tokens_per_row
    (truncated,) = runs_of(grid=SMALL["grid"] | {"samples_per_language": [0]}, training={"max_length": 100})
    assert cost.training_tokens(truncated) == 10_000 * 100
    (short,) = runs_of(grid=SMALL["grid"] | {"samples_per_language": [0]}, training={"max_steps": 10})
    assert cost.training_tokens(short) == 10 * 64 * TASKS["math"].tokens_per_row


def test_a_multi_task_run_has_the_mean_length_of_its_tasks() -> None:
    (run,) = runs_of(
        grid=small_sweep()["grid"] | {"task": "summarization+instruction+math", "samples_per_language": [0]}
    )
    assert cost.training_tokens(run) == 10_000 * sum(task.tokens_per_row for task in TASKS.values())


def chip_hours(run: RunSpec, tokens: int) -> float:
    hours = cost.chip_hours(run, tokens)
    assert hours is not None
    return hours


def test_chip_hours_of_long_rows_follow_from_flops() -> None:
    (run,) = runs_of(grid=SMALL["grid"] | {"samples_per_language": [0]}, hardware=TPU)
    tokens = 157 * 64 * 2048
    seconds = 6 * 8_030_261_248 * tokens / (197e12 * cost.UTILISATION)
    assert chip_hours(run, tokens) == pytest.approx(seconds / 3600)


def test_chip_hours_of_short_rows_follow_from_the_transfer_of_weights() -> None:
    (run,) = runs_of(grid=SMALL["grid"] | {"samples_per_language": [1000]}, hardware=TPU)
    tokens = cost.training_tokens(run)
    computation = 6 * 8_030_261_248 * tokens / (64 * 197e12 * cost.UTILISATION)
    transfer = 219 * 3 * 2 * 8_030_261_248 / (200e9 / 2)
    assert (round(computation), round(transfer)) == (38, 106), "the example in the module's docstring"
    assert chip_hours(run, tokens) == pytest.approx(64 * transfer / 3600)


def test_a_smaller_slice_costs_less_only_where_the_transfer_of_weights_takes_longer() -> None:
    small, large = (
        runs_of(hardware={"accelerator": "TPU-V5LITEPOD", "topology": topology})[0] for topology in ("4x4", "8x8")
    )
    assert chip_hours(small, 1000) == pytest.approx(chip_hours(large, 1000) / 4)
    assert chip_hours(small, 10**9) == chip_hours(large, 10**9)


def test_a_tensor_axis_divides_the_weights_that_each_chip_gathers() -> None:
    flat, deep = (runs_of(hardware=TPU | {"mesh": mesh})[0] for mesh in ("64x1", "16x4"))
    assert chip_hours(deep, 1000) == pytest.approx(chip_hours(flat, 1000) / 4)


def test_assumptions_name_the_tasks_of_the_sweep_only() -> None:
    text = cost.assumptions({"math"})
    assert f"{TASKS['math'].tokens_per_row} of math" in text and "35% of peak" in text
    assert "summarization" not in text


@pytest.mark.parametrize("hardware", [{"accelerator": "CPU"}, {"accelerator": "GPU", "workers": 8}])
def test_chip_hours_are_unknown_where_the_peak_is_unknown(hardware: dict[str, object]) -> None:
    (run, _) = runs_of(hardware=hardware)
    assert cost.chip_hours(run, 1000) is None


def test_faster_generations_cost_fewer_chip_hours() -> None:
    assert TPUS["TPU-V5LITEPOD"].peak_flops < TPUS["TPU-V5P"].peak_flops < TPUS["TPU-V6E"].peak_flops
