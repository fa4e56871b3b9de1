"""Tests of run-to-run noise and gains over runs, by hand and in limiting cases."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy import stats

from clt_ray.analysis.run_noise import RunNoise, interval_with_run_noise, run_noise
from clt_ray.analysis.run_noise_tables import NEIGHBOURS, REPEATS, gain_over_runs, noise
from clt_ray.analysis.study import Study
from clt_ray.analysis.uncertainty import BOOTSTRAP, NORMAL, Estimate, ResampledValue
from tests.support.scores import items_of, run, scores


def flat(*values: float) -> list[dict[str, float]]:
    return [{"en": 0.8, "es": value, "ko": value} for value in values]


def test_the_noise_of_repeated_runs_is_the_variance_within_cells() -> None:
    """Cells 0.1, 0.3 and 0.4, 0.5: sums of squares 0.02 and 0.005 over 2 degrees of freedom."""
    a, b, c, d = flat(0.1, 0.3, 0.4, 0.5)
    study = Study.of(
        scores(run("", 0, a), run("", 0, b, seed=1), run("es", 100, c), run("es", 100, d, seed=1)), draws=50
    )
    (row,) = noise(study).to_dict("records")
    assert row["deviation"] == pytest.approx(sqrt(0.0125)) and row["n"] == 2 and row["method"] == REPEATS
    assert row["difference"] == pytest.approx(stats.t.ppf(0.975, 2) * sqrt(2 * 0.0125))


def test_without_repeats_neighbours_beyond_n_0_are_used() -> None:
    start, *rest = flat(0.0, 0.30, 0.34, 0.32)
    study = Study.of(
        scores(run("", 0, start), *(run("es", n, row) for n, row in zip((100, 200, 400), rest, strict=True)))
    )
    (row,) = noise(study).to_dict("records")
    assert row["deviation"] == pytest.approx(sqrt(0.0005)) and row["method"] == NEIGHBOURS
    assert row["n"] == pytest.approx(4 / 3)


def test_one_run_at_one_n_gives_no_noise() -> None:
    start, end = flat(0.1, 0.5)
    study = Study.of(scores(run("", 0, start), run("es", 100, end)))
    assert noise(study).empty
    over_runs = gain_over_runs(study)
    assert over_runs["gain"].tolist() == pytest.approx([0.4, 0.4])
    assert over_runs["low"].isna().all()


def test_the_item_part_of_the_noise_is_estimated() -> None:
    """Two runs that answer items at random differ only by chance, which resampling the items explains."""
    rng = np.random.default_rng(0)
    answers = {seed: (rng.random(400) < 0.5).astype(float) for seed in (0, 1)}
    frame = scores(
        *(run("", 0, dict.fromkeys(("en", "es"), float(right.mean())), seed=seed) for seed, right in answers.items())
    )
    values = {(f"m-single-none-0-{seed}-math", code): right for seed, right in answers.items() for code in ("en", "es")}
    study = Study.of(frame, items_of(frame, values))
    (curve,) = study.curves
    estimate = run_noise(study, [curve], lambda s, c, point: s.task_scores["math"].mean(point.run_ids, ["es"]))
    # Answers of two runs differ on half of the items: variance 0.5 / 400 of the difference, half of it per run.
    assert estimate.item_standard_deviation == pytest.approx(sqrt(0.25 / 400), rel=0.1)
    assert estimate.degrees_of_freedom == 1


def test_variance_in_both_items_and_runs_is_counted_once() -> None:
    paired = Estimate(0.2, 0.2 - 1.96 * 2, 0.2 + 1.96 * 2, 100, BOOTSTRAP, ())
    low, high = interval_with_run_noise(paired, RunNoise(sqrt(2), inf, 1.0), (1, 1))
    # Items 4, of which 2 * 1 is the chance of single answers; and 2 * 2 from the runs, which has that too.
    assert high - 0.2 == pytest.approx(1.96 * sqrt(6), rel=1e-3) and low == pytest.approx(0.4 - high)
    assert interval_with_run_noise(paired, RunNoise(sqrt(2), inf, 1.0), (2, 2))[1] - 0.2 == pytest.approx(
        1.96 * sqrt(5), rel=1e-3
    )
    unpaired = Estimate(0.2, 0.2 - 1.96 * 2, 0.2 + 1.96 * 2, 100, NORMAL, ())
    assert interval_with_run_noise(unpaired, RunNoise(sqrt(2), inf, 1.0), (1, 1))[1] - 0.2 == pytest.approx(
        1.96 * sqrt(8), rel=1e-3
    )
    # Items of which all is chance add nothing to the runs; few degrees of freedom widen.
    assert interval_with_run_noise(paired, RunNoise(3.0, inf, 2.0), (1, 1))[1] - 0.2 == pytest.approx(
        1.96 * sqrt(18), rel=1e-3
    )
    bare = Estimate(0.2, nan, nan, 0, "none", ())
    assert interval_with_run_noise(bare, RunNoise(1.0, 4.0), (2, 2))[1] - 0.2 == pytest.approx(stats.t.ppf(0.975, 4))
    assert np.isnan(interval_with_run_noise(paired, RunNoise(1.0, 0.5), (1, 1))).all()


def test_the_interval_uses_the_runs_of_the_gain_only() -> None:
    """n = 100 has three seeds, n = 0 one: the gain pairs the one seed that both have."""
    start, *ends = flat(0.1, 0.4, 0.5, 0.6)
    runs = [run("es", 100, row, seed=seed, stderr=None) for seed, row in enumerate(ends)]
    gains = gain_over_runs(Study.of(scores(run("", 0, start, stderr=None), *runs)))
    row = gains[gains["exposure"] == "seen"].iloc[0]
    assert row["gain"] == pytest.approx(0.3)
    assert row["high"] - row["gain"] == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 * sqrt(2))


def test_p_values_agree_with_their_interval() -> None:
    draws = np.random.default_rng(1).normal(0.3, 0.1, 20_000)
    certain = ResampledValue(0.3, draws, 100, inf, frozenset({NORMAL}), ("a",)).estimate()
    assert certain.p == pytest.approx(2 * stats.norm.sf(3), rel=0.1)
    few = ResampledValue(0.3, draws, 10, 10, frozenset({BOOTSTRAP}), ("a",)).estimate()
    assert few.p > certain.p and few.excludes_zero == (few.p < 0.05)
    assert np.isnan(ResampledValue(0.3, None, 10, inf, frozenset(), ("a",)).estimate().p)
