"""Tests of advice on constructed sweeps with a known best answer and on the reference study, and of refusals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.advice import CONFIDENCE, ThinEvidence, advise
from clt_ray.analysis.loading import load_scores
from clt_ray.analysis.needed_runs import CurvePosterior
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study
from clt_ray.errors import ConfigurationError

SIZES = (0, 100, 200, 400, 800, 1600, 3200)
LANGUAGES = ("en", "es", "fr", "ja", "zh")
GROUPS = {"all": "es+fr+ja+zh", "latin": "es+fr", "english:4": "en"}
ERROR = 0.01


def rows(
    group: str, half: float, rise: float, rng: np.random.Generator, sizes: Sequence[int] = SIZES, floor: float = 0.3
) -> list[dict]:
    """A series whose every language follows floor + rise * n / (n + half)."""
    return [
        {
            "run_id": f"{group}-{n}", "model": "m", "setting": "single", "task": "math",
            "language_group": group, "train_languages": GROUPS[group] if n else "",
            "samples_per_language": n, "seed": 0, "eval_language": language, "metric": "accuracy",
            "score": floor + rise * n / (n + half) + ERROR * rng.standard_normal(), "stderr": ERROR, "n_items": 1000,
        }
        for n in sizes
        for language in LANGUAGES
    ]  # fmt: skip


def study(*series: list[dict]) -> Study:
    return Study.of(load_scores(pd.DataFrame([row for group_rows in series for row in group_rows])))


def test_of_two_equal_options_the_one_with_fewer_samples_is_recommended() -> None:
    rng = np.random.default_rng(0)
    advice = advise(study(rows("all", 100, 0.3, rng), rows("latin", 100, 0.3, rng)), "math", "m", tolerance=0.03)
    best = advice.options[0]
    assert best.language_group == "latin" and best.settled
    # 0.3 * h / (n + h) = 0.03 at n = 900.
    assert 800 <= best.samples_per_language <= 1600
    assert best.total_samples == 2 * best.samples_per_language
    assert best.within_tolerance >= CONFIDENCE
    assert best.score is not None and best.score.low <= 0.3 + 0.3 * 0.9 <= best.score.high
    assert [row.samples_per_language for row in best.evidence] == list(SIZES)


def test_a_better_option_is_preferred_although_it_needs_more_samples() -> None:
    rng = np.random.default_rng(1)
    advice = advise(study(rows("all", 100, 0.4, rng), rows("latin", 100, 0.2, rng)), "math", "m", tolerance=0.03)
    assert [option.language_group for option in advice.options] == ["all", "latin"]


def test_the_fewest_samples_that_reach_the_target_are_advised() -> None:
    rng = np.random.default_rng(2)
    runs = study(rows("all", 100, 0.4, rng), rows("latin", 100, 0.2, rng))
    near = advise(runs, "math", "m", target=0.42)
    best = near.options[0]
    # latin needs n = 150 in two languages, all needs n = 43, of which there is no run below 100, in four.
    assert best.language_group == "latin" and 150 <= best.samples_per_language <= 250
    assert best.reaches_target >= CONFIDENCE
    far = advise(runs, "math", "m", target=0.6)
    assert far.options[0].language_group == "all" and far.reachable
    assert far.options[1].reaches_target < 0.2 and far.options[1].settled
    none = advise(runs, "math", "m", target=0.95)
    assert not none.reachable and none.options[0].language_group == "all"


def test_a_budget_is_divided_among_the_languages() -> None:
    rng = np.random.default_rng(3)
    runs = study(rows("all", 100, 0.3, rng), rows("latin", 100, 0.3, rng))
    options = {option.language_group: option for option in advise(runs, "math", "m", budget=1000).options}
    assert options["all"].samples_per_language == 250 and options["latin"].samples_per_language == 500
    more = options["all"].next_thousand
    assert more is not None and more.low <= 0.3 * (500 / 600 - 250 / 350) <= more.high
    rich = advise(runs, "math", "m", budget=10**6).options[0]
    assert rich.samples_per_language == SIZES[-1] and "is not known" in rich.why


def test_without_a_gain_no_samples_are_advised() -> None:
    advice = advise(study(rows("all", 100, 0.0, np.random.default_rng(4))), "math", "m", tolerance=0.05)
    assert advice.options[0].samples_per_language == 0
    assert "by less than the tolerance" in advice.options[0].why


def test_the_stated_probability_is_the_observed_frequency() -> None:
    """Over simulated series, the recommended n is within the tolerance of the true ceiling as often as promised."""
    rng = np.random.default_rng(5)
    good = trials = 0
    promised = []
    for _ in range(60):
        half = float(rng.choice([60, 120, 240]))
        try:
            best = advise(study(rows("all", half, 0.3, rng)), "math", "m", tolerance=0.04).options[0]
        except ThinEvidence:
            continue
        trials += 1
        promised.append(best.within_tolerance)
        good += 0.3 * half / (best.samples_per_language + half) <= 0.04
    assert trials > 50
    assert good / trials >= np.mean(promised) - 0.12, (good / trials, np.mean(promised))


def test_equal_volume_controls_are_not_options() -> None:
    rng = np.random.default_rng(6)
    runs = study(rows("all", 100, 0.3, rng), rows("english:4", 100, 0.5, rng))
    assert {option.language_group for option in advise(runs, "math", "m", tolerance=0.03).options} == {"all"}


def test_too_few_runs_are_refused_with_the_missing_sizes() -> None:
    thin = study(rows("all", 100, 0.3, np.random.default_rng(7), sizes=(0, 400)))
    with pytest.raises(ThinEvidence, match="too short for a fit, with runs at n = 0, 400") as refused:
        advise(thin, "math", "m")
    assert [(run.language_group, run.samples_per_language) for run in refused.value.runs] == [
        ("all", 100), ("all", 1000), ("all", 5000),
    ]  # fmt: skip
    assert refused.value.to_json()["settling_runs"][0]["samples_per_language"] == 100


def test_a_rising_series_is_refused_and_needs_a_larger_run() -> None:
    rising = study(rows("all", 50_000, 6.0, np.random.default_rng(8)))
    with pytest.raises(ThinEvidence, match=r"still rises at n = 3,200; the probability") as refused:
        advise(rising, "math", "m", tolerance=0.02)
    assert 6400 in [run.samples_per_language for run in refused.value.runs]
    assert len(set(refused.value.runs)) == len(refused.value.runs)


def test_an_unknown_model_or_setting_is_refused_with_the_runs_of_a_new_series() -> None:
    runs = study(rows("all", 100, 0.3, np.random.default_rng(9)))
    with pytest.raises(ThinEvidence, match="there are runs of m") as refused:
        advise(runs, "math", "other")
    assert refused.value.runs[0].language_group == "none" and len(refused.value.runs) >= 4
    with pytest.raises(ThinEvidence, match="in setting multi") as refused:
        advise(runs, "math", "m", setting="multi")
    assert refused.value.runs[1].task == "summarization+instruction+math"


def test_all_errors_of_a_question_are_reported_together() -> None:
    runs = study(rows("all", 100, 0.3, np.random.default_rng(10)))
    with pytest.raises(ConfigurationError) as refused:
        advise(runs, "math", "m", target=35, budget=100, tolerance=-1)
    assert [problem.key for problem in refused.value.problems] == ["--budget", "--target", "--tolerance"]
    assert "divide percentages by 100" in str(refused.value)


def test_advice_on_the_reference_study() -> None:
    published = Study.of(reference_scores())
    large = advise(published, "math", "aya-23-7b")
    assert large.options[0].setting == "single" and large.options[0].language_group == "all"
    assert large.options[0].samples_per_language >= 1000
    small = advise(published, "math", "aya-23-35b", setting="single")
    assert small.options[0].samples_per_language <= 400
    with pytest.raises(ThinEvidence):
        advise(published, "instruction", "aya-23-7b", target=3.8)


def test_runs_where_possible_curves_differ_are_more_informative() -> None:
    posterior, order = CurvePosterior.prior(1.0, 5000, 0.3), []
    sizes = (0, 100, 200, 400, 800, 1000, 2000, 5000)
    for _ in range(4):
        information = {n: posterior.information(n, 1e-4) for n in sizes}
        order.append(max(information, key=information.__getitem__))
        posterior = posterior.updated(order[-1], 0.2 + 0.2 * order[-1] / (order[-1] + 150), 1e-4)
    assert set(order[:2]) == {0, 5000} and 100 <= order[2] <= 800
    assert max(posterior.information(n, 1e-4) for n in sizes) < 1
    middle, variance = posterior.predict(1000)
    assert abs(middle - (0.2 + 0.2 * 1000 / 1150)) < 3 * variance**0.5


def test_information_about_another_size_is_at_most_the_information_of_the_run() -> None:
    posterior = CurvePosterior.prior(1.0, 5000, 0.3).updated(0, 0.2, 1e-4).updated(200, 0.3, 1e-4)
    for n in (0, 100, 1000, 5000):
        about_end = posterior.information_about(5000, n, 1e-4)
        assert 0 <= about_end <= posterior.information(n, 1e-4) + 1e-9
    assert posterior.information_about(5000, 5000, 1e-4) == pytest.approx(posterior.information(5000, 1e-4), rel=1e-6)
