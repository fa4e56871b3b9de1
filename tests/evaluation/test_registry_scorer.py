"""Every task has a scorer, which is found without loading heavy libraries."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.evaluation.scorers import mean_and_stderr, scorer
from clt_ray.plugins import UnknownNameError
from clt_ray.tasks import TASKS


@pytest.mark.parametrize("task", TASKS)
def test_a_task_scores_the_metrics_that_it_declares(task: str) -> None:
    declared = {metric.name for metric in TASKS[task].scored_metrics}
    assert set(scorer(task)("The answer is 8.", "The answer is 8.", "en")) == declared
    assert set(scorer(task)("", "The answer is 8.", "ja").values()) == {0.0}


def test_an_unknown_task_has_no_scorer() -> None:
    with pytest.raises(UnknownNameError, match="tasks: summarization, instruction, math"):
        scorer("poetry")


def test_the_registry_is_light() -> None:
    program = "import sys, clt_ray.evaluation.scorers\nprint(len({'numpy', 'sacrebleu', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_mean_and_stderr(values: list[float]) -> None:
    mean, stderr = mean_and_stderr(values)
    assert min(values) - 1e-12 <= mean <= max(values) + 1e-12
    spread = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    assert stderr == pytest.approx(math.sqrt(spread / len(values)))


def test_one_value_has_no_known_error() -> None:
    mean, stderr = mean_and_stderr([0.5])
    assert mean == 0.5 and math.isnan(stderr)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_and_stderr([])
