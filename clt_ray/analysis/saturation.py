"""Where a series levels off: a saturating fit and its plateau, with bootstrap intervals.

**Contract.** A series holds scores at several numbers of samples per language n. The *fit* is the better of

    s(n) = floor + rise * n / (n + h)        (hyperbolic: half of the rise is reached at n = h)
    s(n) = floor + rise * (1 - exp(-n / h))  (exponential)

with rise >= 0. The form is chosen anew in every resample, so that intervals include the uncertainty about the form.
`floor` is the score at n = 0 and `floor + rise` is the *ceiling*. The *plateau* is the smallest n whose fitted score is
within a tolerance of the ceiling. Beyond the largest n of the series, where no run was trained, it counts as infinite.

For a fixed form and h the fit is linear in floor and rise. So a grid of forms and values of h is solved at once, and
thousands of resamples in milliseconds (variable projection: Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973).

**Example.** With floor 0.2, rise 0.2, h = 50 and tolerance 0.02, the last tenth of the rise is within the tolerance. In
the hyperbolic form n / (n + 50) = 0.9, so the plateau is n = 450; in the exponential form it is 50 * ln 10 = 115.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clt_ray.analysis.study import NON_ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL, Floats

RESAMPLES: Final = 1000
"""Number of resamples of a series that has standard errors but no item resamples."""


@dataclass(frozen=True)
class Series:
    """Mean scores of the runs of a curve, in ascending order of samples per language."""

    samples: tuple[int, ...]
    """Samples per non-English language, distinct and ascending."""
    scores: tuple[float, ...]
    """Mean score at each number of samples, in the metric's stored unit."""
    stderr: tuple[float, ...]
    """Standard error of each score from the sampling of test items; NaN where it is not known."""
    draws: Floats | None = field(default=None, compare=False, repr=False)
    """Scores in each bootstrap resample, paired over points, shape (resamples, points); None to draw by `stderr`."""
    runs: tuple[tuple[str, ...], ...] = ()
    """Run ids of each point."""

    def __post_init__(self) -> None:
        sizes = {len(self.samples), len(self.scores), len(self.stderr)}
        if len(sizes) != 1 or list(self.samples) != sorted(set(self.samples)):
            raise ValueError(
                "a series needs distinct ascending samples with one score and one standard error each: samples "
                f"{self.samples}, {len(self.scores)} scores, {len(self.stderr)} standard errors"
            )

    @classmethod
    def of(cls, study: Study, curve: Curve, languages: Sequence[str] | str = NON_ENGLISH) -> Series:
        """Returns the series of a curve's mean over languages.

        Args:
            languages: Codes or the name of an exposure, as in `Study.languages`. Languages that were not scored at
                every point are left out, so that every point is the mean over the same languages.
        """
        codes = study.languages(curve, *curve.points, among=languages)
        if not codes:
            return cls((), (), ())
        means = [study.mean(curve, point, codes) for point in curve.points]
        known_draws = [value.draws for value in means if value.draws is not None and np.isfinite(value.draws).all()]
        draws = np.stack(known_draws, axis=1) if len(known_draws) == len(means) else None
        stderr = draws.std(axis=0, ddof=1) if draws is not None else np.full(len(means), np.nan)
        sizes = tuple(point.samples_per_language for point in curve.points)
        runs = tuple(point.run_ids for point in curve.points)
        return cls(sizes, tuple(value.value for value in means), tuple(stderr.tolist()), draws, runs)

    @property
    def has_stderr(self) -> bool:
        """Whether every point has a known standard error above 0."""
        return bool(self.stderr) and bool(np.isfinite(self.stderr).all()) and min(self.stderr) > 0

    @property
    def weights(self) -> Floats:
        """Inverse of the sampling variance of each point; 1 for all points where a standard error is not known."""
        return 1 / np.square(self.stderr) if self.has_stderr else np.ones(len(self.samples))

    def resampled(self, run_noise: float, rng: np.random.Generator, degrees_of_freedom: int | None = None) -> Floats:
        """Draws scores as another evaluation of newly trained runs would give them.

        Args:
            run_noise: Standard deviation between runs that differ only in the seed, added to the sampling error.
            rng: Random generator of everything that `draws` does not hold.
            degrees_of_freedom: Degrees of freedom of an estimated `run_noise`. Each resample then also draws the
                standard deviation, which gives the tails of Student's t distribution. None when `run_noise` is known.

        Returns:
            Scores of shape (resamples, points).
        """
        rows = RESAMPLES if self.draws is None else len(self.draws)
        shape = (rows, len(self.samples))
        if self.draws is not None:
            scores = self.draws
        else:
            sampling_error = np.asarray(self.stderr) if self.has_stderr else np.zeros(shape[1])
            scores = np.asarray(self.scores) + sampling_error * rng.standard_normal(shape)
        scale: Floats = np.full((rows, 1), run_noise)
        if degrees_of_freedom is not None:
            scale = scale * np.sqrt(degrees_of_freedom / rng.chisquare(degrees_of_freedom, (rows, 1)))
        return np.asarray(scores + scale * rng.standard_normal(shape))


MIN_POINTS: Final = 4
"""Smallest number of points, n = 0 included, for a fit of three parameters with a residual degree of freedom."""

SATURATING: Final = "saturating"
NOT_SATURATING: Final = "not saturating"
FLAT: Final = "flat"
FALLING: Final = "falling"
TOO_SHORT: Final = "too short"

_PARAMETERS: Final = 3
"""Parameters of the fit: floor, rise and h."""
_GRID: Final = 80
"""Number of values of h per form; neighbouring values differ by less than 10%, less than any interval of h is wide."""
_SMALLEST_H: Final = 0.1
"""Smallest h relative to the smallest positive n; the first point is then already at 10/11 of the rise."""


def shape(ratio: Floats, exponential: NDArray[np.bool_]) -> Floats:
    """Returns the share of the rise that a curve has reached at n = ratio * h, in its form."""
    return np.where(exponential, -np.expm1(-ratio), ratio / (1 + ratio))


@dataclass(frozen=True)
class Plateau:
    """The number of samples per language beyond which more samples change the score by less than the tolerance."""

    samples: float
    """Point estimate; 0 when training on English alone is within the tolerance, infinite beyond the largest n."""
    low: float
    high: float
    """`low` and `high` are the ends of the 95% confidence interval; infinite beyond the largest n of the series."""

    @property
    def is_established(self) -> bool:
        """Whether the whole interval lies within the series."""
        return isfinite(self.high)


@dataclass(frozen=True)
class Refits:
    """Fitted curves, one per resample; all arrays have the shape (draws,)."""

    exponential: NDArray[np.bool_]
    """Whether the fitted form is the exponential one."""
    half: Floats
    """The parameter h of the form, in samples per language."""
    floor: Floats
    """Fitted score at n = 0."""
    rise: Floats
    """Fitted rise from the score at n = 0 to the ceiling, at least 0."""

    @property
    def ceiling(self) -> Floats:
        """The limit of the fitted score for large n."""
        return self.floor + self.rise

    def at(self, samples: float) -> Floats:
        """Returns the fitted scores at n samples per language."""
        return self.floor + self.rise * shape(samples / self.half, self.exponential)

    def samples_for(self, target: float | Floats) -> Floats:
        """Returns the smallest n with at least this score; infinite where the ceiling is not above it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(self.rise > 0, (target - self.floor) / self.rise, np.where(target > self.floor, inf, 0.0))
            reached = np.where(self.exponential, -np.log1p(-share), share / (1 - share)) * self.half
        return np.where(share <= 0, 0.0, np.where(share < 1, reached, inf))

    def plateau(self, tolerance: float) -> Floats:
        """Returns the smallest n whose score is within the tolerance of the ceiling."""
        return self.samples_for(self.ceiling - tolerance)


@dataclass(frozen=True)
class Saturation:
    """The saturating fit of a series, its plateau, and a verdict on whether the series levels off."""

    series: Series
    tolerance: float
    """Largest difference that counts as none, in the metric's stored unit."""
    verdict: str
    """`SATURATING`, `NOT_SATURATING` (still rising at the largest n), `FLAT` (the whole rise is within the tolerance),
    `FALLING` (the score at the largest n is below that at a smaller one) or `TOO_SHORT` (too few points for a fit)."""
    best: Refits | None
    """Fit to the observed scores, as arrays of length 1; None without a fit."""
    refits: Refits | None
    """Fits to the resamples; None without a fit."""
    noise: float
    """Run-to-run standard deviation: scatter of the scores around the fit beyond sampling error; NaN if unknown."""
    plateau: Plateau
    """Plateau of the fit; all values NaN without a fit."""


def saturation(series: Series, tolerance: float, *, run_noise: float | None = None, seed: int = 0) -> Saturation:
    """Fits a saturating curve to a series and determines its plateau.

    Args:
        tolerance: Largest difference that counts as none, in the metric's stored unit; above 0.
        run_noise: Standard deviation between seeds beyond sampling error; by default the scatter around the fit.

    Raises:
        ValueError: The tolerance is not positive.
    """
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be above 0, not {tolerance}")
    if not _can_be_fitted(series):
        return Saturation(series, tolerance, TOO_SHORT, None, None, nan, Plateau(nan, nan, nan))
    solver = _Solver(series)
    best = solver.fit(np.asarray(series.scores)[None])
    noise = _run_noise(series, best) if run_noise is None else run_noise
    degrees_of_freedom = len(series.samples) - _PARAMETERS if run_noise is None else None
    resampled = series.resampled(noise, np.random.default_rng(seed), degrees_of_freedom)
    refits = solver.fit(resampled)
    plateau = _fitted_plateau(best, refits, tolerance, series.samples[-1])
    verdict = _verdict(series, resampled, best, plateau, tolerance)
    return Saturation(series, tolerance, verdict, best, refits, noise, plateau)


def run_noise_around_fit(series: Series) -> float:
    """Estimates the run-to-run standard deviation beyond sampling error, for a rising or falling series.

    The fit allows rising curves only; the smaller scatter of the series and its mirror image counts, NaN if too short.
    """
    if not _can_be_fitted(series):
        return nan
    solver, mirrored = _Solver(series), replace(series, scores=tuple(-score for score in series.scores), draws=None)
    return min(_run_noise(image, solver.fit(np.asarray(image.scores)[None])) for image in (series, mirrored))


def _can_be_fitted(series: Series) -> bool:
    return len(series.samples) >= MIN_POINTS and series.samples[0] == 0


class _Solver:
    """Weighted least squares over a grid of forms and values of h, with the constraint rise >= 0."""

    def __init__(self, series: Series) -> None:
        samples, weights = np.asarray(series.samples, dtype=float), series.weights
        self._half = np.tile(np.geomspace(_SMALLEST_H * samples[1], samples[-1], _GRID), 2)
        self._exponential = np.repeat([False, True], _GRID)
        basis = shape(samples[:, None] / self._half, self._exponential)
        self._weights = weights / weights.sum()
        self._mean = self._weights @ basis
        self._centred = basis - self._mean
        self._norm = self._weights @ self._centred**2

    def fit(self, scores: Floats) -> Refits:
        """Returns the best fit of each row of scores, shape (rows, points)."""
        level = scores @ self._weights
        projection = ((scores - level[:, None]) * self._weights) @ self._centred
        rise = np.maximum(projection / self._norm, 0.0)
        # The weighted sum of squares that each grid point explains; the total is the same for all grid points.
        explained = rise * (2 * projection - rise * self._norm)
        chosen = explained.argmax(axis=1)
        rise = rise[np.arange(len(scores)), chosen]
        return Refits(self._exponential[chosen], self._half[chosen], level - rise * self._mean[chosen], rise)


def _run_noise(series: Series, best: Refits) -> float:
    """Returns the scatter around the fit minus the sampling error (method of moments), as a standard deviation."""
    residuals = np.asarray(series.scores) - np.array([best.at(n)[0] for n in series.samples])
    sampling_variance = np.mean(np.square(series.stderr)) if series.has_stderr else 0.0
    return sqrt(max(float(residuals @ residuals) / (len(residuals) - _PARAMETERS) - float(sampling_variance), 0.0))


def _fitted_plateau(best: Refits, refits: Refits, tolerance: float, largest: int) -> Plateau:
    resampled = refits.plateau(tolerance)
    resampled[resampled > largest] = inf
    estimate = float(best.plateau(tolerance)[0])
    # Values may be infinite, between which linear interpolation is undefined.
    ends = [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2]
    low, high = np.quantile(resampled, ends, method="inverted_cdf")
    return Plateau(estimate if estimate <= largest else inf, float(low), float(high))


def _verdict(series: Series, resampled: Floats, best: Refits, plateau: Plateau, tolerance: float) -> str:
    scores = np.asarray(series.scores)
    drop = resampled[:, :-1] - resampled[:, [-1]]
    # Bonferroni correction: any of the earlier points may exceed the last one by chance.
    lower_bounds = np.quantile(drop, (1 - CONFIDENCE_LEVEL) / 2 / drop.shape[1], axis=0)
    if lower_bounds.max() > 0 and scores.max() - scores[-1] > tolerance:
        return FALLING
    if best.rise[0] <= tolerance:
        return FLAT
    return SATURATING if isfinite(plateau.samples) else NOT_SATURATING
