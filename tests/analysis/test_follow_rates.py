"""Tests that known follow rates are recovered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.follow_rates import follow_rates
from clt_ray.analysis.loading import load_scores
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
    assert follow_rates(study({"ko": 0.5}, 0.0, np.random.default_rng(1))).empty
