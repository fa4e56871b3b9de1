"""Gradient agreement is measured on request and is not part of a run's identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clt_ray.sweep.sections import HardwareSpec
from clt_ray.training.backends import unsupported
from tests.support.sweeps import TPU, problems_of, runs_of

EVERY = {"gradient_agreement_every": 50}
KEY = "training.gradient_agreement_every"


@pytest.mark.parametrize("hardware", [TPU, {"accelerator": "GPU"}, {"workers": 2}], ids=str)
def test_all_hardware_supports_the_measurement(hardware: dict[str, Any]) -> None:
    assert problems_of(training=EVERY, hardware=hardware) == ()
    (run, *_) = runs_of(training=EVERY)
    assert unsupported(replace(run, hardware=HardwareSpec.model_validate(hardware))) is None


def test_a_single_validation_row_cannot_be_halved() -> None:
    (problem,) = problems_of(training=EVERY, validation={"samples_per_language": 1})
    assert problem.key == KEY and "two halves" in problem.message
    assert problems_of(training=EVERY, validation={"samples_per_language": 2}) == ()


@pytest.mark.parametrize(("value", "message"), [(-1, "less than 0"), ("50", "not a whole number")])
def test_the_interval_is_a_number_of_steps(value: object, message: str) -> None:
    (problem,) = problems_of(training={"gradient_agreement_every": value})
    assert problem.key == KEY and message in problem.message


def test_run_ids_do_not_depend_on_the_measurement() -> None:
    assert [run.run_id for run in runs_of(training=EVERY)] == [run.run_id for run in runs_of()]
