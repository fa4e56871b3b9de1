"""Tests of the tables over many curves: scripts by task, follow rates."""

from __future__ import annotations

import numpy as np
import pytest

from clt_ray.analysis.comparisons import script_by_task
from clt_ray.analysis.follow_rates import follow_rates
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study
from tests.support.scores import run, scores

START = {"en": 0.6, "es": 0.2, "ja": 0.2, "ko": 0.2}
RATED = {"en": 3.0, "es": 2.0, "ja": 2.0, "ko": 2.0}


def test_script_against_task_is_a_difference_of_advantages_in_shares_of_the_scale() -> None:
    study = Study.of(
        scores(
            run("", 0, START),
            run("es+ja", 100, {"en": 0.6, "es": 0.6, "ja": 0.3, "ko": 0.3}),
            run("", 0, RATED, task="instruction", stderr=0.1),
            run("es+ja", 100, {"en": 3.0, "es": 3.0, "ja": 2.8, "ko": 2.4}, task="instruction", stderr=0.1),
        )
    )
    (row,) = script_by_task(study).to_dict("records")
    assert (row["task"], row["against"]) == ("instruction", "math")
    # Ratings: (1.0 - 0.6) / 4 of the scale; math: 0.4 - 0.1.
    assert row["estimate"] == pytest.approx(0.1 - 0.3)
    assert row["low"] < row["estimate"] < row["high"] and row["q"] == row["p"] < 0.05


def test_errors_of_two_tasks_of_one_run_are_independent() -> None:
    """Both tasks are the same numbers with the same resamples, so paired they would cancel."""
    end = {"en": 0.6, "es": 0.6, "ja": 0.3, "ko": 0.3}
    both = [
        run(trained, n, values, task=task, setting="multi")
        for task in ("math", "summarization")
        for trained, n, values in (("", 0, START), ("es+ja", 100, end))
    ]
    (row,) = script_by_task(Study.of(scores(*both))).to_dict("records")
    # Variance of a gain 2 * 0.02^2, of the Latin one over one language, of the other over two; two tasks.
    expected = 1.96 * np.sqrt(2 * (2 * 0.02**2 + 2 * 0.02**2 / 2))
    assert row["estimate"] == pytest.approx(0) and row["high"] == pytest.approx(expected, rel=0.1)


def sized(gain_of: dict[str, float]) -> Study:
    runs = []
    for model, gain in gain_of.items():
        runs.append(run("", 0, START, model=model))
        for n in (100, 200, 400, 800):
            end = {"en": 0.6, "es": 0.2 + gain, "ja": 0.2 + gain, "ko": 0.2 + gain / 2}
            runs.append(run("es+ja", n, end, model=model))
    return Study.of(scores(*runs))


def test_the_follow_rate_is_the_gain_per_gain_of_the_seen_languages() -> None:
    study = sized({"toy-1b": 0.4})
    (rate,) = follow_rates(study).to_dict("records")
    assert rate["eval_language"] == "ko" and rate["follow_rate"] == pytest.approx(0.5)
    assert rate["low"] < 0.5 < rate["high"] and not rate["shares_script"]
    assert follow_rates(sized({"toy-1b": 0.0})).empty


def test_the_reference_study_has_all_tables() -> None:
    study = Study.of(reference_scores(), draws=200)
    # Korean is unseen everywhere; Spanish, French, Japanese and Chinese in the script groups.
    assert set(follow_rates(study)["eval_language"]) == {"ar", "es", "fr", "ja", "ko", "pt", "zh"}
    assert len(script_by_task(study)) == 195
