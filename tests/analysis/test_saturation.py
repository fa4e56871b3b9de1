"""Tests that plateaus are recovered and covered by their intervals, and not claimed where there are none."""

from __future__ import annotations

from math import inf, isnan, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.saturation import FALLING, FLAT, NOT_SATURATING, SATURATING, TOO_SHORT, Refits, Series, saturation
from clt_ray.analysis.study import Study
from tests.support.scores import smoke_sweep

STUDY = (0, 100, 200, 400, 800, 1000, 2000, 5000)
ERROR = 0.008
TOLERANCE = 0.02


def curve(form: str, half: float, rise: float = 0.2, samples: tuple[int, ...] = STUDY) -> np.ndarray:
    n = np.asarray(samples, float)
    return 0.2 + rise * (n / (n + half) if form == "hyperbolic" else 1 - np.exp(-n / half))


def series(scores: np.ndarray, error: float = ERROR, samples: tuple[int, ...] = STUDY) -> Series:
    return Series(samples, tuple(scores), (error,) * len(samples))


TRUTHS = [("hyperbolic", half, 9.0 * half) for half in (50, 150, 400)]
TRUTHS += [("exponential", half, half * log(10)) for half in (50, 150, 400)]


@pytest.mark.parametrize(("form", "half", "plateau"), TRUTHS)
def test_a_curve_without_noise_is_recovered(form: str, half: float, plateau: float) -> None:
    fit = saturation(series(curve(form, half), 1e-5), TOLERANCE)
    assert fit.verdict == SATURATING
    # h is taken from a grid, whose neighbours are 7% apart.
    assert fit.plateau.samples == pytest.approx(plateau, rel=0.06)
    assert fit.best is not None and fit.best.ceiling[0] == pytest.approx(0.4, abs=4e-3)


@pytest.mark.parametrize(
    ("known_error", "run_noise"),
    [(True, 0.0), (True, ERROR), (False, 0.0)],
    ids=["item errors known", "runs differ beyond item errors", "nothing known but the scatter"],
)
def test_intervals_cover_the_truth(known_error: bool, run_noise: float) -> None:
    """95% intervals over 600 simulated series of six true curves; one run per n, as the reference study has it."""
    rng = np.random.default_rng(7)
    fitted = trials = 0
    for form, half, truth in TRUTHS:
        expected = curve(form, half)
        for trial in range(100):
            scores = expected + np.hypot(ERROR, run_noise) * rng.standard_normal(len(STUDY))
            draws = scores + ERROR * rng.standard_normal((400, len(STUDY))) if known_error else None
            errors = (ERROR if known_error else nan,) * len(STUDY)
            fit = saturation(Series(STUDY, tuple(scores), errors, draws), TOLERANCE, seed=trial)
            fitted += fit.plateau.low <= truth <= fit.plateau.high
            trials += 1
    assert 0.93 <= fitted / trials <= 0.975, fitted / trials


def test_a_rise_within_the_tolerance_is_flat() -> None:
    rng = np.random.default_rng(3)
    flat = 0
    for trial in range(200):
        scores = 0.3 + ERROR * rng.standard_normal(len(STUDY))
        fit = saturation(series(scores), TOLERANCE, seed=trial)
        flat += fit.verdict == FLAT
        assert fit.verdict != FALLING or scores.max() - scores[-1] > TOLERANCE
        assert fit.plateau.low == 0
    assert flat >= 0.85 * 200


def test_a_series_that_still_rises_has_no_plateau() -> None:
    fit = saturation(series(0.2 + 4e-5 * np.asarray(STUDY)), TOLERANCE)
    assert fit.verdict == NOT_SATURATING
    assert fit.plateau.samples == fit.plateau.high == inf
    assert not fit.plateau.is_established


def test_a_series_that_falls_at_its_end_is_falling() -> None:
    scores = curve("exponential", 100)
    scores[-2:] -= 0.1
    fit = saturation(series(scores), TOLERANCE, run_noise=0.0)
    assert fit.verdict == FALLING


def test_a_short_series_has_no_plateau() -> None:
    short = (0, 100, 400)
    fit = saturation(series(curve("exponential", 100, samples=short), samples=short), TOLERANCE)
    assert fit.verdict == TOO_SHORT and fit.best is None
    assert isnan(fit.plateau.samples)
    no_origin = (100, 200, 400, 800)
    fit = saturation(series(curve("exponential", 100, samples=no_origin), samples=no_origin), TOLERANCE)
    assert fit.verdict == TOO_SHORT


def test_four_points_without_standard_errors_have_wide_intervals() -> None:
    four = (0, 100, 400, 1600)
    noisy = curve("exponential", 150, samples=four) + np.array([0.01, -0.01, 0.01, -0.01])
    fit = saturation(series(noisy, nan, four), TOLERANCE)
    assert fit.plateau.high > 1600 or fit.plateau.high - fit.plateau.low > 300


@given(
    st.booleans(),
    st.floats(10, 5000),
    st.floats(0, 1),
    st.floats(1e-3, 0.5),
    st.floats(0.02, 0.95),
)
def test_samples_for_inverts_the_curve(exponential: bool, half: float, floor: float, rise: float, share: float) -> None:
    refit = Refits(np.array([exponential]), np.array([half]), np.array([floor]), np.array([rise]))
    samples = refit.samples_for(floor + share * rise)
    assert refit.at(samples[0])[0] == pytest.approx(floor + share * rise, rel=1e-6)
    assert refit.samples_for(floor)[0] == 0 and refit.samples_for(floor - 0.1)[0] == 0
    assert refit.samples_for(floor + rise * 1.01)[0] == inf
    assert refit.plateau((1 - share) * rise)[0] == pytest.approx(samples[0], rel=1e-4)


def test_equal_arguments_give_equal_results_and_a_tolerance_of_0_is_refused() -> None:
    first, second = (saturation(series(curve("exponential", 90)), TOLERANCE, seed=4) for _ in range(2))
    assert first.plateau == second.plateau
    with pytest.raises(ValueError, match="must be above 0"):
        saturation(series(curve("exponential", 90)), 0.0)


def test_a_series_of_a_study_averages_languages_and_keeps_the_pairing() -> None:
    frame, items = smoke_sweep()
    study = Study.of(load_scores(frame), load_items(items))
    math_curve = next(c for c in study.curves if (c.task, c.setting, c.language_group) == ("math", "single", "all"))
    seen = Series.of(study, math_curve, "seen")
    assert seen.samples == (0, 50, 200) and seen.has_stderr
    is_seen = frame["eval_language"].isin(math_curve.train_languages)
    measurements = frame[frame["run_id"].eq("tiny-math-all-200-0") & is_seen]
    assert seen.scores[2] == pytest.approx(measurements["score"].mean())
    assert seen.draws is not None
    difference = seen.draws[:, 2] - seen.draws[:, 1]
    assert difference.std() < np.hypot(*seen.draws[:, 1:].std(axis=0))
    assert Series.of(study, math_curve, ["ja"]).scores[0] == pytest.approx(
        study.task_scores["math"].score(seen.runs[0][0], "ja").value
    )
    assert Series.of(study, math_curve, []).samples == ()


def test_the_reference_study_saturates_late_in_math_at_7b_and_at_once_at_35b() -> None:
    study = Study.of(reference_scores())
    fits = {
        c.model: saturation(Series.of(study, c), 0.02)
        for c in study.curves
        if (c.task, c.setting, c.language_group) == ("math", "single", "all")
    }
    assert fits["aya-23-7b"].plateau.low > 200
    assert fits["aya-23-35b"].plateau.high < 400
