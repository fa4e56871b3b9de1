"""Tests that known follow rates are recovered, and that covariates are detected only where they have an effect."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.follow_rates import RATE_COLUMNS, boundary, fit_boundary, follow_rates, leave_one_language_out
from clt_ray.analysis.loading import load_scores
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study
from clt_ray.analysis.uncertainty import Z

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
    table = follow_rates(study(truth, 0.3, np.random.default_rng(0))).set_index("eval_language")
    by_language = table.to_dict("index")
    assert set(by_language) == set(truth)
    for code, rate in by_language.items():
        assert abs(rate["follow_rate"] - truth[str(code)]) < 4 * (rate["high"] - rate["low"]) / (2 * Z) < 0.3
    assert by_language["pt"]["shares_script"] and by_language["pt"]["shares_family"]
    assert not by_language["ko"]["shares_script"] and not by_language["ar"]["shares_family"]
    assert by_language["ko"]["seen_gain"] == pytest.approx(0.3 * 1600 / 1700, abs=0.03)
    assert by_language["ko"]["run_ids"] == "+".join(f"r{n}" for n in SIZES)


def test_there_is_no_rate_without_a_gain_of_the_seen_languages() -> None:
    without_gain = study({"ko": 0.5}, 0.0, np.random.default_rng(1))
    assert follow_rates(without_gain).empty and boundary(without_gain).empty


def rates(script: float, rng: np.random.Generator, languages: int = 12, spread: float = 0.05) -> pd.DataFrame:
    """Two curves; every second language shares its script, every third its family, which means nothing."""
    simulated = []
    for number in range(languages):
        language_effect = spread * rng.standard_normal()
        for task in ("math", "summarization"):
            rate = 0.4 + script * (number % 2 == 0) + language_effect + spread * rng.standard_normal()
            shares = number % 2 == 0, number % 3 == 0
            ends = rate - 0.01 * Z, rate + 0.01 * Z
            simulated.append(["m", "single", task, "all", f"l{number}", *shares, rate, *ends, 0.2, ""])
    return pd.DataFrame(simulated, columns=RATE_COLUMNS)


def interval(simulated: pd.DataFrame, term: str) -> tuple[float, float]:
    covariates, fit = fit_boundary(simulated)
    return fit.interval(["neither", *covariates].index(term))


def test_an_effective_covariate_is_covered_and_predicts_languages() -> None:
    rng = np.random.default_rng(2)
    covered, trials = 0, 60
    for _ in range(trials):
        simulated = rates(0.3, rng)
        for term, truth in (("script", 0.3), ("family", 0.0)):
            low, high = interval(simulated, term)
            covered += low <= truth <= high
    assert covered / (2 * trials) >= 0.9
    r2, verdict = leave_one_language_out(rates(0.3, rng))
    assert r2 > 0.5 and "Script and family improve" in verdict


def test_covariates_without_effect_do_not_predict() -> None:
    rng = np.random.default_rng(3)
    verdicts = [leave_one_language_out(rates(0.0, rng))[1] for _ in range(15)]
    assert leave_one_language_out(rates(0.0, rng))[0] < 0.2
    assert sum("improve" in verdict for verdict in verdicts) <= 2


def test_two_languages_cannot_decide_whether_script_predicts() -> None:
    _, verdict = leave_one_language_out(rates(0.3, np.random.default_rng(6), languages=2))
    assert "cannot" in verdict and "-" not in verdict


def test_covariates_that_cannot_be_separated_are_left_out() -> None:
    simulated = rates(0.3, np.random.default_rng(5))
    alike = simulated[simulated["shares_script"] == simulated["shares_family"]]
    assert fit_boundary(alike)[0] == ["script"]
    same_script = alike[alike["shares_script"]]
    assert fit_boundary(same_script)[0] == []
    assert isnan(interval(alike[alike["eval_language"].isin(["l0", "l1"])], "neither")[0])
    assert "cannot be tested" in leave_one_language_out(same_script)[1]


def test_the_evidence_is_described() -> None:
    terms = boundary(study({"ko": 0.5, "ar": 0.3}, 0.3, np.random.default_rng(7)))
    assert list(terms["term"]) == ["neither"]
    assert terms["strength"][0].startswith("2 unseen languages (ar, ko): 1 degree of freedom; the effect of script")


def test_the_reference_study_has_seven_unseen_languages() -> None:
    terms = boundary(Study.of(reference_scores(), draws=200))
    # Korean is unseen everywhere; Spanish, French, Japanese and Chinese in the script groups.
    assert terms["languages"][0] == "ar+es+fr+ja+ko+pt+zh"
    neither = terms.iloc[0]
    assert 0 < neither["low"] < neither["high"] < 1
