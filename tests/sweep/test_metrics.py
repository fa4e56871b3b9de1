"""A sweep may select by exactly the metrics that the validation of every run logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.sweep.selection import logged_metrics, selection_mode
from clt_ray.tasks import TASKS
from tests.support.sweeps import problems_of, small_sweep

LANGUAGES = ("en", "es", "ko")


def test_names_of_the_metrics_of_a_run() -> None:
    assert logged_metrics(["math"], ["en", "es"], ["math"]) == [
        "val/loss",
        "val/math/loss", "val/math/en/loss", "val/math/es/loss",
        "val/math/accuracy", "val/math/en/accuracy", "val/math/es/accuracy",
        "val/math/fidelity", "val/math/en/fidelity", "val/math/es/fidelity",
    ]  # fmt: skip
    assert logged_metrics(["math"], ["en"]) == ["val/loss", "val/math/loss", "val/math/en/loss"]


TASK_SETS = st.lists(st.sampled_from(list(TASKS)), min_size=1, unique=True)


@given(cells=st.lists(TASK_SETS, min_size=1, max_size=2), generated=st.none() | TASK_SETS, data=st.data())
def test_a_metric_is_accepted_exactly_when_every_run_logs_it(
    cells: list[list[str]], generated: list[str] | None, data: Any
) -> None:
    every = logged_metrics(TASKS, [*LANGUAGES, "de"], TASKS)
    metric = data.draw(st.sampled_from(every))
    validation: Mapping[str, Any] = {"generate": {"tasks": generated}} if generated else {}
    problems = problems_of(
        grid=small_sweep()["grid"] | {"task": list({"+".join(sorted(tasks)): None for tasks in cells})},
        language_groups={"all": ["es"]},
        eval_languages=list(LANGUAGES),
        validation=dict(validation),
        selection={"metric": metric, "mode": selection_mode(metric)},
    )
    logged = all(metric in logged_metrics(tasks, LANGUAGES, generated or ()) for tasks in cells)
    assert [problem.key for problem in problems] == ([] if logged else ["selection.metric"])


@pytest.mark.parametrize(
    ("metric", "mode"), [("val/loss", "min"), ("val/math/loss", "min"), ("val/math/accuracy", "max")]
)
def test_better_is_less_loss_and_more_of_everything_else(metric: str, mode: str) -> None:
    assert selection_mode(metric) == mode
    wrong_mode = {"min": "max", "max": "min"}[mode]
    generate: dict[str, Any] = {"validation": {"generate": {}}}
    assert problems_of(**generate, selection={"metric": metric, "mode": mode}) == ()
    (problem,) = problems_of(**generate, selection={"metric": metric, "mode": wrong_mode})
    assert (problem.key, problem.value, problem.remedy) == ("selection.mode", wrong_mode, f"write mode: {mode}")
