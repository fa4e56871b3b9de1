"""Agreement of gradients is measured on request, where it can be, and is no part of a run's identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_sweep import TPU, problems_of, runs_of

from clt_ray.sweep.spec import HardwareSpec
from clt_ray.training.backends import unsupported

EVERY = {"gradient_agreement_every": 50}
KEY = "training.gradient_agreement_every"


@pytest.mark.parametrize("hardware", [TPU, {"llama-3.1-8b": TPU, "*": {"workers": 2}}, {"*": TPU}], ids=str)
def test_on_a_tpu_it_is_refused_with_file_key_value_and_remedy(hardware: dict[str, Any]) -> None:
    (problem,) = problems_of(training=EVERY, hardware=hardware)
    assert (problem.key, problem.value) == (KEY, 50)
    assert problem.message == "is not measured on TPUs, and llama-3.1-8b runs on TPU-V5LITEPOD"
    assert "write 0" in problem.remedy and "accelerator: GPU" in problem.remedy
    assert problems_of(training={"gradient_agreement_every": 0}, hardware=hardware) == ()


def test_hardware_of_models_that_are_not_in_the_grid_does_not_matter() -> None:
    assert problems_of(training=EVERY, hardware={"aya-23-8b": TPU, "*": {"accelerator": "GPU"}}) == ()
    assert problems_of(training=EVERY) == ()


def test_a_single_validation_row_cannot_be_halved() -> None:
    (problem,) = problems_of(training=EVERY, validation={"samples_per_language": 1})
    assert problem.key == KEY and "two halves" in problem.message
    assert problems_of(training=EVERY, validation={"samples_per_language": 2}) == ()


@pytest.mark.parametrize(("value", "message"), [(-1, "less than 0"), ("50", "not a whole number")])
def test_it_is_a_number_of_steps(value: object, message: str) -> None:
    (problem,) = problems_of(training={"gradient_agreement_every": value})
    assert problem.key == KEY and message in problem.message


def test_no_run_id_depends_on_it() -> None:
    assert [run.run_id for run in runs_of(training=EVERY)] == [run.run_id for run in runs_of()]


def test_the_backend_refuses_what_no_sweep_file_has_checked() -> None:
    (run, *_) = runs_of(training=EVERY)
    assert unsupported(run) is None
    problem = unsupported(replace(run, hardware=HardwareSpec.model_validate(TPU)))
    assert problem is not None and problem.key == "gradient_agreement_every"
