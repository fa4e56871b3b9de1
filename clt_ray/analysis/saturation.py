"""Where a series levels off: a saturating fit and a model-free plateau, both with bootstrap intervals.

**Contract.** A series is a score at n samples per language, for some n. The *fit* is

    s(n) = floor + rise * n / (n + h)        (hyperbolic: h is where half of the rise is reached)
    s(n) = floor + rise * (1 - exp(-n / h))  (exponential)

with rise >= 0; the better of the two forms is taken, anew in every resample, so that the interval holds the doubt
about the form. `floor` is the score at n = 0 and `floor + rise` is the *ceiling*. The *plateau* is the smallest n whose
score is within a tolerance of the ceiling; the *model-free plateau* is the smallest n of the series whose score is
within it of the best run's. A plateau beyond the largest n of the series is infinite: no run has seen it.

For a given form and h the fit is linear in floor and rise, so a whole grid of (form, h) is solved at once and thousands
of resamples are refitted in milliseconds (variable projection: Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973).

**Example.** floor 0.2, rise 0.2, h = 50, hyperbolic, tolerance 0.02: the last 0.02 of the rise are a tenth of it, so
n / (n + 50) = 0.9 and the plateau is n = 450. With the exponential form, n = 50 * ln 10 = 115.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite, nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clt_ray.analysis.series import Series
from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL, Floats

FORMS: Final = ("hyperbolic", "exponential")
MIN_POINTS: Final = 4
"""Numbers of samples, 0 included, that a fit of three parameters needs to be more than a drawing through them."""

SATURATING: Final = "saturating"
NOT_SATURATING: Final = "not saturating"
FLAT: Final = "flat"
FALLING: Final = "falling"
TOO_SHORT: Final = "too short"

_GRID: Final = 80
"""Values of h tried per form: neighbours differ by under 10%, less than any interval of h."""
_SMALLEST_H: Final = 0.1
"""Smallest h tried, per smallest positive n: there the first point is already at 10/11 of the rise."""


@dataclass(frozen=True)
class Plateau:
    """A number of samples per language from which more make no difference worth the tolerance."""

    samples: float
    """Best estimate; 0 when even English alone is within the tolerance, infinite when beyond the largest n."""
    low: float
    """Lower end of the 95% interval."""
    high: float
    """Upper end of the 95% interval; infinite when the series does not reach that far."""

    @property
    def is_established(self) -> bool:
        """Whether the whole interval lies within the series."""
        return isfinite(self.high)


@dataclass(frozen=True)
class Refits:
    """One fitted curve per resample, all arrays of shape (draws,)."""

    exponential: NDArray[np.bool_]
    """Which of the two forms."""
    half: Floats
    """The form's h, in samples per language."""
    floor: Floats
    rise: Floats

    @property
    def ceiling(self) -> Floats:
        return self.floor + self.rise

    def at(self, samples: float) -> Floats:
        """Scores at n samples per language."""
        ratio = samples / self.half
        return self.floor + self.rise * np.where(self.exponential, -np.expm1(-ratio), ratio / (1 + ratio))

    def needed(self, target: float | Floats) -> Floats:
        """Smallest n with at least this score; infinite where the ceiling is not above it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(self.rise > 0, (target - self.floor) / self.rise, np.where(target > self.floor, inf, 0.0))
            reached = np.where(self.exponential, -np.log1p(-share), share / (1 - share)) * self.half
        return np.where(share <= 0, 0.0, np.where(share < 1, reached, inf))

    def plateau(self, tolerance: float) -> Floats:
        """Smallest n within the tolerance of the ceiling."""
        return self.needed(self.ceiling - tolerance)


@dataclass(frozen=True)
class Saturation:
    """What a series says about where it levels off."""

    series: Series
    tolerance: float
    """What counts as no difference, in the metric's stored unit."""
    verdict: str
    """`SATURATING`, `NOT_SATURATING` (it still rises at its largest n), `FLAT` (the whole rise is within the
    tolerance), `FALLING` (the largest n is worse than a smaller one) or `TOO_SHORT` (no fit)."""
    best: Refits | None
    """The fit to the scores themselves, as one draw; None without a fit."""
    refits: Refits | None
    """Fits to resamples; None without a fit or when nothing is known of the noise."""
    noise: float
    """Standard deviation of the scores around the fit beyond sampling error: run-to-run differences; NaN if unknown."""
    plateau: Plateau
    """By the fit; all NaN without one."""
    model_free: Plateau
    """By the best run; all NaN for one run alone."""

    def interval(self, values: Floats) -> tuple[float, float]:
        """95% interval of a quantity computed from `refits`."""
        low, high = np.quantile(values, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2], method="inverted_cdf")
        return float(low), float(high)


def saturation(series: Series, tolerance: float, *, run_noise: float | None = None, seed: int = 0) -> Saturation:
    """Fit a series and find its plateaus.

    Args:
        series: The scores; from `Series.of` or made by hand.
        tolerance: In the metric's stored unit, above 0.
        run_noise: Standard deviation between runs that differ in nothing, beyond sampling error; by default estimated
            from the scatter around the fit, which needs one point more than the fit.
        seed: Of the resampling; equal arguments give equal results.

    Raises:
        ValueError: The tolerance is not positive.
    """
    if not tolerance > 0:
        raise ValueError(f"no tolerance: {tolerance}")
    rng = np.random.default_rng(seed)
    n = np.asarray(series.samples, dtype=float)
    if n.size < MIN_POINTS or n[0] != 0:
        resampled = series.resampled(run_noise or 0.0, rng) if series.has_stderr else None
        nothing = Plateau(nan, nan, nan)
        model_free = _model_free(series, resampled, tolerance)
        return Saturation(series, tolerance, TOO_SHORT, None, None, nan, nothing, model_free)
    solver = _Solver(n, series.weights)
    best = solver.fit(np.asarray(series.scores)[None])
    noise = _run_noise(series, best, n.size - 3) if run_noise is None else run_noise
    freedom = n.size - 3 if run_noise is None else None
    resampled = series.resampled(noise, rng, freedom)
    refits = solver.fit(resampled)
    plateau = _plateau(best, refits, tolerance, float(n[-1]))
    model_free = _model_free(series, resampled, tolerance)
    verdict = _verdict(series, resampled, best, plateau, tolerance)
    return Saturation(series, tolerance, verdict, best, refits, noise, plateau, model_free)


def scatter(series: Series) -> float:
    """Standard deviation between runs beyond sampling error, whether the series rises or falls.

    NaN for a series that is too short for a fit.
    """
    n = np.asarray(series.samples, dtype=float)
    if n.size < MIN_POINTS or n[0] != 0:
        return nan
    solver = _Solver(n, series.weights)
    noises = []
    for sign in (1.0, -1.0):
        turned = replace(series, scores=tuple(sign * score for score in series.scores), draws=None)
        noises.append(_run_noise(turned, solver.fit(np.asarray(turned.scores)[None]), n.size - 3))
    return min(noises)


class _Solver:
    """Weighted least squares over a grid of forms and h, with rise >= 0."""

    def __init__(self, samples: Floats, weights: Floats) -> None:
        half = np.geomspace(_SMALLEST_H * samples[1], samples[-1], _GRID)
        ratio = samples[:, None] / half
        basis = np.concatenate([ratio / (1 + ratio), -np.expm1(-ratio)], axis=1)
        self._half = np.concatenate([half, half])
        self._exponential = np.repeat([False, True], _GRID)
        self._weights = weights / weights.sum()
        self._mean = self._weights @ basis
        self._centred = basis - self._mean
        self._norm = self._weights @ self._centred**2

    def fit(self, scores: Floats) -> Refits:
        """The best curve of each row of scores, shape (rows, points)."""
        level = scores @ self._weights
        projection = ((scores - level[:, None]) * self._weights) @ self._centred
        rise = np.maximum(projection / self._norm, 0.0)
        # What the grid point explains of the variance; the rest of the sum of squares is the same for all.
        explained = rise * (2 * projection - rise * self._norm)
        chosen = explained.argmax(axis=1)
        rise = rise[np.arange(len(scores)), chosen]
        return Refits(self._exponential[chosen], self._half[chosen], level - rise * self._mean[chosen], rise)


def _run_noise(series: Series, best: Refits, freedom: int) -> float:
    """Scatter around the fit that sampling error does not explain (method of moments)."""
    residuals = np.asarray(series.scores) - np.array([best.at(n)[0] for n in series.samples])
    sampling = np.mean(np.square(series.stderr)) if series.has_stderr else 0.0
    return sqrt(max(float(residuals @ residuals) / freedom - float(sampling), 0.0))


def _plateau(best: Refits, refits: Refits, tolerance: float, largest: float) -> Plateau:
    drawn = refits.plateau(tolerance)
    drawn[drawn > largest] = inf
    found = float(best.plateau(tolerance)[0])
    low, high = np.quantile(drawn, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2], method="inverted_cdf")
    return Plateau(found if found <= largest else inf, float(low), float(high))


def _model_free(series: Series, resampled: Floats | None, tolerance: float) -> Plateau:
    """Smallest n within the tolerance of the best run, with an interval by inverting two tests.

    The maximum of noisy scores is too high, so a percentile interval would miss plateaus with many runs on them. Here
    the lower end is the smallest n of which "within the tolerance of every run" is not rejected, the upper end the
    smallest n that is so beyond doubt, each at half of the error: coverage is at least 95%.
    """
    scores, samples = np.asarray(series.scores), series.samples
    if scores.size < 2:
        return Plateau(nan, nan, nan)
    estimate = float(samples[int((scores >= scores.max() - tolerance).argmax())])
    if resampled is None:
        return Plateau(estimate, nan, nan)
    noise = resampled - resampled.mean(axis=0)
    level = (1 + CONFIDENCE_LEVEL) / 2
    low = high = len(samples) - 1
    for place in reversed(range(len(samples))):
        ahead = scores - scores[place]
        differences = noise - noise[:, [place]]
        if ahead.max() - tolerance <= np.quantile(differences.max(axis=1), level):
            low = place
        margin = np.quantile(-differences, level, axis=0)
        if (np.delete(ahead + margin, place) <= tolerance).all():
            high = place
    return Plateau(estimate, float(samples[low]), float(samples[max(low, high)]))


def _verdict(series: Series, resampled: Floats, best: Refits, plateau: Plateau, tolerance: float) -> str:
    scores = np.asarray(series.scores)
    drop = resampled[:, :-1] - resampled[:, [-1]]
    # Any of the points may be the one that is better than the last by chance.
    sure = np.quantile(drop, (1 - CONFIDENCE_LEVEL) / 2 / drop.shape[1], axis=0)
    if sure.max() > 0 and scores.max() - scores[-1] > tolerance:
        return FALLING
    if best.rise[0] <= tolerance:
        return FLAT
    return SATURATING if isfinite(plateau.samples) else NOT_SATURATING
