"""What validations are called, and what enters their means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.errors import RunError
from clt_ray.sweep.metrics import logged_metrics, scored_metrics
from clt_ray.training.validation import named, require_metric, summarise

TASKS = ("summarization", "math")
LANGUAGES = ("en", "es", "ko")
CELLS = [(task, language) for task in TASKS for language in LANGUAGES]


def test_means_are_over_the_selection_languages_and_not_over_tokens() -> None:
    totals = {("math", "en"): (10.0, 10), ("math", "es"): (300.0, 100), ("math", "ko"): (8.0, 1)}
    assert summarise(totals, ("en", "es"), ("math",)) == {
        "val/loss": 2.0, "val/math/loss": 2.0,
        "val/math/en/loss": 1.0, "val/math/es/loss": 3.0, "val/math/ko/loss": 8.0,
    }  # fmt: skip


def test_scores_are_averaged_over_the_selection_languages_task_by_task() -> None:
    scores = {
        ("math", "en"): {"accuracy": 0.5}, ("math", "es"): {"accuracy": 0.25}, ("math", "ko"): {"accuracy": 1.0},
        ("summarization", "en"): {"rougeL": 0.1, "rouge1": 0.2},
    }  # fmt: skip
    metrics = named(scores, ("en", "es"), TASKS)
    assert metrics["val/math/accuracy"] == 0.375
    assert metrics["val/math/ko/accuracy"] == 1.0
    assert (metrics["val/summarization/rougeL"], metrics["val/summarization/rouge1"]) == (0.1, 0.2)
    assert "val/loss" not in metrics


@given(
    st.sets(st.sampled_from(CELLS), min_size=1).filter(lambda cells: any(code != "ko" for _, code in cells)),
    st.sets(st.sampled_from(TASKS)),
)
def test_what_is_logged_is_what_the_sweep_was_told(cells: set[tuple[str, str]], generated: set[str]) -> None:
    tasks = tuple(task for task in TASKS if any(task == of for of, _ in cells))
    metrics = summarise({cell: (1.0, 2) for cell in cells}, ("en", "es"), tasks)
    scores = {cell: dict.fromkeys(scored_metrics(cell[0]), 0.5) for cell in cells if cell[0] in generated}
    metrics |= named(scores, ("en", "es"), tasks)
    promised = logged_metrics(tasks, LANGUAGES, generated)
    assert set(metrics) <= set(promised)
    for metric in promised:
        try:
            require_metric(metric, cells, ("en", "es"))
        except RunError:
            assert metric not in metrics
        else:
            assert metric in metrics


def test_a_metric_without_rows_is_refused_with_the_cells_that_have_some() -> None:
    with pytest.raises(RunError, match=r"val/math/ko/loss would never be recorded: .* rows of math/en only"):
        require_metric("val/math/ko/loss", [("math", "en")], ("en",))
    with pytest.raises(RunError, match="val/math/accuracy would never"):
        require_metric("val/math/accuracy", [("summarization", "en"), ("math", "ko")], ("en",))
    with pytest.raises(RunError, match="no validation rows in the selection languages es"):
        require_metric("val/loss", [("math", "en")], ("es",))
