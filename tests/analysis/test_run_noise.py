"""Run-to-run noise and the luck of the best run, on simulated series with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.peak import peak
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.run_noise import run_noise
from clt_ray.analysis.study import Curve, Point, Study


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.of(reference_scores())


def test_noise_of_flat_series_is_recovered_and_its_intervals_cover(study: Study) -> None:
    """Differences of two runs lie within the half width as often as 95% intervals should."""
    rng, deviation = np.random.default_rng(3), 0.02
    curves = [c for c in study.curves if c.task == "math" and c.setting == "single"]
    estimates, inside = [], 0
    trials = 600
    for _ in range(trials):
        drawn = {point.run_ids: rng.normal(0.5, deviation) for curve in curves for point in curve.points}
        noise = run_noise(study, curves, lambda _s, _c, point, drawn=drawn: drawn[point.run_ids])
        estimates.append(noise.standard_deviation)
        inside += abs(rng.normal(0, deviation * np.sqrt(2))) <= noise.half_width()
    assert np.mean(estimates) == pytest.approx(deviation, rel=0.03)
    assert 0.93 <= inside / trials <= 0.975


def test_a_rising_series_makes_the_estimate_larger_never_smaller(study: Study) -> None:
    curve = next(c for c in study.curves if c.task == "math")

    def rising(_s: Study, _c: Curve, point: Point) -> float:
        return point.samples_per_language / 5000

    assert (
        run_noise(study, [curve], rising).standard_deviation
        > run_noise(study, [curve], lambda *_: 0.5).standard_deviation
        == 0
    )


def test_without_neighbours_nothing_is_known() -> None:
    scores = reference_scores()
    start = scores[scores["samples_per_language"] == 0]
    lonely = Study.of(pd.DataFrame(start[start["model"] == "llama-3.1-8b"]))
    assert np.isnan(run_noise(lonely, lonely.curves, lambda *_: 0.5).half_width())


def test_the_best_of_eight_equal_runs_is_mere_luck() -> None:
    rng = np.random.default_rng(0)
    excess = []
    for trial in range(200):
        values = rng.normal(0.5, 0.02, 8)
        excess.append(peak(values, 0.02, seed=trial).corrected - 0.5)
    assert np.mean(rng.normal(0.5, 0.02, (2000, 8)).max(axis=1)) - 0.5 > 0.027
    assert abs(np.mean(excess)) < 0.012


def test_a_peak_that_stands_out_keeps_its_height() -> None:
    found = peak([0.1, 0.9, 0.2], 0.01)
    assert found.index == 1 and found.optimism == pytest.approx(0, abs=1e-3)
    assert peak([0.3, 0.3], 0.0).optimism == 0
    with pytest.raises(ValueError, match="no peak"):
        peak([], 0.1)
