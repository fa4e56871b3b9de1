"""Tests of gains with languages and runs as random effects, computed by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from clt_ray.analysis.random_effects import LANGUAGES, LANGUAGES_AND_RUNS, gain_over_languages
from clt_ray.analysis.study import Study
from tests.support.scores import run, scores

START = {"en": 0.6, "es": 0.1, "fr": 0.1, "ja": 0.1, "ko": 0.1}


def test_worked_example() -> None:
    end = {"en": 0.6, "es": 0.2, "fr": 0.3, "ja": 0.4, "ko": 0.1}
    study = Study.of(scores(run("", 0, START), run("es+fr+ja", 100, end)))
    gains = gain_over_languages(study).set_index("exposure")
    row = gains.loc["seen"]
    assert row["gain"] == pytest.approx(0.2) and row["n"] == 3 and row["method"] == LANGUAGES
    assert row["high"] - row["gain"] == pytest.approx(stats.t.ppf(0.975, 2) * sqrt(0.01 / 3))
    # A single language has no variance between languages.
    assert gains["gain"].to_dict()["unseen"] == pytest.approx(0) and np.isnan(gains["low"].to_dict()["unseen"])


def test_seeds_add_their_own_variance() -> None:
    """Gains are .1 .3 with one seed and .3 .5 with the other: both mean squares are .04, the residuals are 0."""
    ends = [{"en": 0.6, "es": 0.2, "ja": 0.4}, {"en": 0.6, "es": 0.4, "ja": 0.6}]
    start = {"en": 0.6, "es": 0.1, "ja": 0.1}
    runs = [run("", 0, start, seed=seed) for seed in (0, 1)]
    runs += [run("es+ja", 100, end, seed=seed) for seed, end in enumerate(ends)]
    (row,) = gain_over_languages(Study.of(scores(*runs))).to_dict("records")
    assert row["gain"] == pytest.approx(0.3) and row["method"] == LANGUAGES_AND_RUNS
    # Variance .08 / 4, degrees of freedom .08^2 / (2 * .04^2) = 2.
    assert row["high"] - 0.3 == pytest.approx(stats.t.ppf(0.975, 2) * sqrt(0.02))


def test_runs_without_a_common_seed_are_averaged() -> None:
    end = {"en": 0.6, "es": 0.2, "fr": 0.3, "ja": 0.4, "ko": 0.1}
    study = Study.of(scores(run("", 0, START, seed=1), run("es+fr+ja", 100, end, seed=2)))
    assert gain_over_languages(study)["method"].tolist() == [LANGUAGES, "none"]


def test_equal_gains_have_no_interval_without_item_scores() -> None:
    end = {code: value + 0.1 * (code != "en") for code, value in START.items()}
    row = gain_over_languages(Study.of(scores(run("", 0, START), run("es+fr+ja", 100, end)))).iloc[0]
    assert row["gain"] == pytest.approx(0.1) and np.isnan(row["low"])
