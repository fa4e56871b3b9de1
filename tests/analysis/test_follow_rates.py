"""Tests that known follow rates are recovered, and that covariates are detected only where they have an effect."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.follow_rates import FollowRate, fit_boundary, follow_rates, leave_one_language_out
from clt_ray.analysis.loading import load_scores
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study

SIZES = (0, 100, 200, 400, 800, 1600)
ERROR = 0.005


def study(follow: Mapping[str, float], seen_rise: float, rng: np.random.Generator) -> Study:
    """Spanish and Japanese are trained on; the languages of `follow` gain that share of what they gain."""
    rows = []
    for n in SIZES:
        gain = seen_rise * n / (n + 100)
        expected = {"en": 0.8, "es": 0.3 + gain, "ja": 0.3 + gain} | {
            code: 0.3 + rate * gain for code, rate in follow.items()
        }
        rows += [
            {
                "run_id": f"r{n}", "model": "m", "setting": "single", "task": "math",
                "language_group": "all" if n else "none", "train_languages": "es+ja" if n else "",
                "samples_per_language": n, "seed": 0, "eval_language": code, "metric": "accuracy",
                "score": float(np.clip(score + ERROR * rng.standard_normal(), 0, 1)), "stderr": ERROR, "n_items": 1000,
            }
            for code, score in expected.items()
        ]  # fmt: skip
    return Study.of(load_scores(pd.DataFrame(rows)), draws=500)


def test_rates_are_recovered_with_their_errors() -> None:
    truth = {"ko": 0.5, "pt": 1.0, "ar": -0.2}
    by_language = {rate.language: rate for rate in follow_rates(study(truth, 0.3, np.random.default_rng(0)))}
    assert set(by_language) == set(truth)
    for code, rate in by_language.items():
        assert abs(rate.rate - truth[code]) < 4 * rate.variance**0.5 < 0.3
    assert by_language["pt"].shares_script and by_language["pt"].shares_family
    assert not by_language["ko"].shares_script and not by_language["ar"].shares_family
    assert by_language["ko"].seen_gain == pytest.approx(0.3 * 1600 / 1700, abs=0.03)
    assert by_language["ko"].run_ids == tuple(f"r{n}" for n in SIZES)


def test_there_is_no_rate_without_a_gain_of_the_seen_languages() -> None:
    assert follow_rates(study({"ko": 0.5}, 0.0, np.random.default_rng(1))) == ()
    with pytest.raises(ValueError, match="no follow rates"):
        fit_boundary([])


def rates(script: float, rng: np.random.Generator, languages: int = 12, spread: float = 0.05) -> list[FollowRate]:
    """Two curves; every second language shares its script, every third its family, which means nothing."""
    simulated = []
    for number in range(languages):
        language_effect = spread * rng.standard_normal()
        for task in ("math", "summarization"):
            rate = 0.4 + script * (number % 2 == 0) + language_effect + spread * rng.standard_normal()
            shares = number % 2 == 0, number % 3 == 0
            simulated.append(FollowRate("m", task, "single", "all", f"l{number}", *shares, rate, 1e-4, 0.2, ()))
    return simulated


def test_an_effective_covariate_is_covered_and_predicts_languages() -> None:
    rng = np.random.default_rng(2)
    covered, trials = 0, 60
    for _ in range(trials):
        effects = {effect.name: effect for effect in fit_boundary(rates(0.3, rng)).effects}
        covered += effects["script"].low <= 0.3 <= effects["script"].high
        covered += effects["family"].low <= 0.0 <= effects["family"].high
    assert covered / (2 * trials) >= 0.9
    tested = leave_one_language_out(rates(0.3, rng))
    assert tested.r2 > 0.5 and "Script and family improve" in tested.verdict


def test_covariates_without_effect_do_not_predict() -> None:
    rng = np.random.default_rng(3)
    verdicts = [leave_one_language_out(rates(0.0, rng)).verdict for _ in range(15)]
    assert leave_one_language_out(rates(0.0, rng)).r2 < 0.2
    assert sum("improve" in verdict for verdict in verdicts) <= 2


def test_two_languages_cannot_decide_whether_script_predicts() -> None:
    tested = leave_one_language_out(rates(0.3, np.random.default_rng(6), languages=2))
    assert "cannot" in tested.verdict and "-" not in tested.verdict


def test_the_prediction_interval_includes_the_variance_between_languages() -> None:
    boundary = fit_boundary(rates(0.3, np.random.default_rng(4), spread=0.1))
    value, low, high = boundary.predict(True, False)
    assert value == pytest.approx(0.7, abs=0.15)
    assert high - low > 4 * 0.1


def test_covariates_that_cannot_be_separated_are_left_out_and_named() -> None:
    alike = [rate for rate in rates(0.3, np.random.default_rng(5)) if rate.shares_script == rate.shares_family]
    boundary = fit_boundary(alike)
    assert boundary.covariates == ("script",) and "effect of family cannot be separated" in boundary.strength
    same_script = fit_boundary([rate for rate in alike if rate.shares_script])
    assert same_script.covariates == () and [effect.name for effect in same_script.effects] == ["neither"]
    pair = fit_boundary([rate for rate in alike if rate.language in ("l0", "l1")])
    assert isnan(pair.effects[0].low) and "too few for an interval" in pair.strength
    assert "cannot be tested" in leave_one_language_out([same_script.rates[0], same_script.rates[-1]]).verdict


def test_the_reference_study_has_seven_unseen_languages() -> None:
    boundary = fit_boundary(follow_rates(Study.of(reference_scores(), draws=200)))
    # Korean is unseen everywhere; Spanish, French, Japanese and Chinese in the script groups.
    assert set(boundary.languages) == {"ar", "ko", "pt", "es", "fr", "ja", "zh"}
    neither = boundary.effects[0]
    assert 0 < neither.low < neither.high < 1
