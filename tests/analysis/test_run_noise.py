"""Tests of run-to-run noise and the optimism of peaks on simulated series with known truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.run_noise import Statistic, peak, run_noise
from clt_ray.analysis.study import Curve, Point, Study


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.of(reference_scores())


def statistic_of(values: Mapping[tuple[str, ...], float]) -> Statistic:
    """Returns the statistic that looks up the value of the runs of a point."""
    return lambda _study, _curve, point: values[point.run_ids]


def test_noise_of_flat_series_is_recovered_and_its_intervals_cover(study: Study) -> None:
    """Differences of two runs lie within the half width in about 95% of trials."""
    rng, deviation = np.random.default_rng(3), 0.02
    curves = [c for c in study.curves if c.task == "math" and c.setting == "single"]
    estimates, inside = [], 0
    trials = 600
    for _ in range(trials):
        drawn = {point.run_ids: rng.normal(0.5, deviation) for curve in curves for point in curve.points}
        noise = run_noise(study, curves, statistic_of(drawn))
        estimates.append(noise.standard_deviation)
        inside += abs(rng.normal(0, deviation * np.sqrt(2))) <= noise.half_width()
    assert np.mean(estimates) == pytest.approx(deviation, rel=0.03)
    assert 0.93 <= inside / trials <= 0.975


def test_a_rising_series_increases_the_estimate(study: Study) -> None:
    curve = next(c for c in study.curves if c.task == "math")

    def rising(_s: Study, _c: Curve, point: Point) -> float:
        return point.samples_per_language / 5000

    assert (
        run_noise(study, [curve], rising).standard_deviation
        > run_noise(study, [curve], lambda *_: 0.5).standard_deviation
        == 0
    )


def test_without_neighbours_the_noise_is_unknown() -> None:
    scores = reference_scores()
    start = scores[scores["samples_per_language"] == 0]
    lonely = Study.of(pd.DataFrame(start[start["model"] == "llama-3.1-8b"]))
    assert np.isnan(run_noise(lonely, lonely.curves, lambda *_: 0.5).half_width())


def test_the_lead_of_the_best_of_eight_equal_runs_is_optimism() -> None:
    rng = np.random.default_rng(0)
    excess = []
    for trial in range(200):
        values = rng.normal(0.5, 0.02, 8)
        excess.append(peak(values.tolist(), 0.02, seed=trial).corrected - 0.5)
    assert np.mean(rng.normal(0.5, 0.02, (2000, 8)).max(axis=1)) - 0.5 > 0.027
    assert abs(np.mean(excess)) < 0.012


def test_a_clear_peak_has_no_optimism() -> None:
    highest = peak([0.1, 0.9, 0.2], 0.01)
    assert highest.index == 1 and highest.optimism == pytest.approx(0, abs=1e-3)
    assert peak([0.3, 0.3], 0.0).optimism == 0
    with pytest.raises(ValueError, match="no peak"):
        peak([], 0.1)
