"""Tests of intervals against textbook values and by simulated coverage, and of the effect of pairing."""

from __future__ import annotations

from math import inf

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clt_ray.analysis import transfer
from clt_ray.analysis.study import Study
from clt_ray.analysis.uncertainty import ResampledValue, resample_counts, resampled_means, wilson


def test_wilson_textbook_values() -> None:
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    with pytest.raises(ValueError, match="no proportion"):
        wilson(0.5, 0)


@given(st.integers(1, 2000), st.floats(0, 1))
def test_wilson_agrees_with_scipy_and_contains_the_proportion(n: int, share: float) -> None:
    successes = round(share * n)
    low, high = wilson(successes / n, n)
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert low <= successes / n + 1e-12 and successes / n <= high + 1e-12


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_resamples_keep_the_size_of_every_stratum(strata: list[int]) -> None:
    counts = resample_counts(np.array(strata), 20, seed=3)
    for stratum in set(strata):
        members = np.array(strata) == stratum
        assert (counts[:, members].sum(axis=1) == members.sum()).all()
    assert (counts == resample_counts(np.array(strata), 20, seed=3)).all()


def test_resampled_means_skip_missing_items() -> None:
    items = np.array([[1.0, 0.0, np.nan], [1.0, 1.0, 0.0]])
    counts = np.array([[2, 1, 0], [0, 0, 3]], np.float32)
    means = resampled_means(items, counts)
    assert means[0] == pytest.approx([2 / 3, 1.0])
    assert np.isnan(means[1, 0]) and means[1, 1] == 0


def test_a_quantity_without_variation_still_has_an_interval() -> None:
    same = ResampledValue(0.0, np.zeros(100), 50, 50, frozenset({"x"}), ("a",), (0.0, 1.0))
    difference = (same - same).estimate()
    bound = 2 * wilson(0.0, 50)[1]
    assert (difference.low, difference.high) == pytest.approx((-bound, bound))
    assert not difference.excludes_zero


def test_there_is_no_interval_without_draws_or_with_denominators_of_zero() -> None:
    known = ResampledValue(0.5, np.full(100, 0.5), 50, 50, frozenset({"x"}), ("a",), (0.0, 1.0))
    bare = ResampledValue(0.5, None, 50, inf, frozenset({"x"}), ("b",), (0.0, 1.0))
    assert not (known - bare).estimate().has_interval
    assert (known - bare).estimate().method == "none"
    often_zero = ResampledValue(0.1, np.tile([0.0, 0.2], 50), 50, 50, frozenset({"x"}), ("c",), (0.0, 1.0))
    assert not (known / often_zero).estimate().has_interval


def study_of(items: np.ndarray, shared: bool, seed: int) -> Study:
    """Two runs, n = 0 and 100, on items of shape (2 runs, languages, items)."""
    languages = ["en", *(f"l{place}" for place in range(items.shape[1] - 1))]
    rows, scores = [], []
    for run in (0, 1):
        for place, language in enumerate(languages):
            values = items[run, place]
            cell = {"run_id": f"r{run}", "task": "math", "eval_language": language, "metric": "accuracy"}
            scores.append(cell | {"model": "m", "setting": "single", "seed": 0, "score": values.mean(), "stderr": 0.1,
                                  "language_group": "g" if run else "none", "samples_per_language": 100 * run,
                                  "train_languages": "+".join(languages[1:]) if run else "",
                                  "n_items": len(values)})  # fmt: skip
            ids = [f"{'' if shared else language}{index}" for index in range(len(values))]
            rows.append(pd.DataFrame(cell | {"item_id": ids, "score": values}))
    return Study.of(pd.DataFrame(scores), pd.concat(rows), draws=600, seed=seed)


@pytest.mark.parametrize("shared", [True, False], ids=["translated items", "own items"])
def test_intervals_of_gain_and_level_cover_the_truth(shared: bool) -> None:
    """95% intervals over 300 simulated evaluations of two runs in three languages, 60 items each.

    Items have a difficulty; translated items have the same one in every language, which independent resampling of
    languages would miss: its intervals of the mean would be too narrow by up to sqrt(3).
    """
    rng = np.random.default_rng(11)
    trials, n_items, languages = 300, 60, 4
    hits = {"gain": 0, "level": 0}
    for trial in range(trials):
        difficulty = rng.uniform(-0.35, 0.35, (1, 1 if shared else languages, n_items))
        chance = np.array([0.4, 0.55])[:, None, None] + difficulty + np.zeros((2, languages, 1))
        study = study_of((rng.random(chance.shape) < chance).astype(float), shared, trial)
        curve = study.curves[0]
        gain = transfer.gain(study, curve, 100, "seen")
        hits["gain"] += gain.low <= 0.15 <= gain.high
        level = transfer.seen_unseen(study, curve, curve.largest)["seen"]
        hits["level"] += level.low <= 0.55 <= level.high
        assert gain.method == "paired item bootstrap"
    # Three standard errors of a simulated coverage around 93 to 97%.
    assert all(0.92 <= count / trials <= 0.985 for count in hits.values()), hits


def test_pairing_narrows_a_difference() -> None:
    rng = np.random.default_rng(5)
    base = (rng.random((1, 3, 80)) < 0.5).astype(float)
    after = np.where(rng.random(base.shape) < 0.1, 1.0, base)
    study = study_of(np.concatenate([base, after]), True, 0)
    paired = transfer.gain(study, study.curves[0], 100, "seen")
    alone = Study.of(study.scores.assign(stderr=(0.25 / 80) ** 0.5))
    unpaired = transfer.gain(alone, alone.curves[0], 100, "seen")
    assert paired.high - paired.low < 0.6 * (unpaired.high - unpaired.low)
    assert unpaired.method == "normal approximation"
