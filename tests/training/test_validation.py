"""Names of the metrics of a validation, and the values that enter their means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.errors import RunError
from clt_ray.sweep.selection import logged_metrics, scored_metrics
from clt_ray.tasks import TaskLanguage
from clt_ray.training.validation import named, require_metric, summarise

TASKS = ("summarization", "math")
LANGUAGES = ("en", "es", "ko")
PAIRS = [TaskLanguage(task, language) for task in TASKS for language in LANGUAGES]
MATH_EN, MATH_ES, MATH_KO = (TaskLanguage("math", language) for language in LANGUAGES)


def test_means_are_over_the_selection_languages_and_not_over_tokens() -> None:
    totals = {
        MATH_EN: (10.0, 10),
        MATH_ES: (300.0, 100),
        MATH_KO: (8.0, 1),
    }
    assert summarise(totals, ("en", "es"), ("math",)) == {
        "val/loss": 2.0, "val/math/loss": 2.0,
        "val/math/en/loss": 1.0, "val/math/es/loss": 3.0, "val/math/ko/loss": 8.0,
    }  # fmt: skip


def test_scores_are_averaged_over_the_selection_languages_task_by_task() -> None:
    scores = {
        MATH_EN: {"accuracy": 0.5}, MATH_ES: {"accuracy": 0.25}, MATH_KO: {"accuracy": 1.0},
        TaskLanguage("summarization", "en"): {"rougeL": 0.1, "rouge1": 0.2},
    }  # fmt: skip
    metrics = named(scores, ("en", "es"), TASKS)
    assert metrics["val/math/accuracy"] == 0.375
    assert metrics["val/math/ko/accuracy"] == 1.0
    assert (metrics["val/summarization/rougeL"], metrics["val/summarization/rouge1"]) == (0.1, 0.2)
    assert "val/loss" not in metrics


@given(
    st.sets(st.sampled_from(PAIRS), min_size=1).filter(lambda pairs: any(pair.language != "ko" for pair in pairs)),
    st.sets(st.sampled_from(TASKS)),
)
def test_logged_metrics_are_those_announced_when_the_sweep_is_checked(
    pairs: set[TaskLanguage], generated: set[str]
) -> None:
    tasks = tuple(task for task in TASKS if any(task == pair.task for pair in pairs))
    metrics = summarise({pair: (1.0, 2) for pair in pairs}, ("en", "es"), tasks)
    scores = {pair: dict.fromkeys(scored_metrics(pair.task), 0.5) for pair in pairs if pair.task in generated}
    metrics |= named(scores, ("en", "es"), tasks)
    announced = logged_metrics(tasks, LANGUAGES, generated)
    assert set(metrics) <= set(announced)
    for metric in announced:
        try:
            require_metric(metric, pairs, ("en", "es"))
        except RunError:
            assert metric not in metrics
        else:
            assert metric in metrics


def test_a_metric_without_rows_is_refused_with_the_pairs_that_have_rows() -> None:
    with pytest.raises(RunError, match=r"val/math/ko/loss would never be recorded: .* rows of math/en only"):
        require_metric("val/math/ko/loss", [TaskLanguage("math", "en")], ("en",))
    with pytest.raises(RunError, match="val/math/accuracy would never"):
        require_metric("val/math/accuracy", [TaskLanguage("summarization", "en"), TaskLanguage("math", "ko")], ("en",))
    with pytest.raises(RunError, match="no validation rows in the selection languages es"):
        require_metric("val/loss", [TaskLanguage("math", "en")], ("es",))
