"""Run-to-run noise, the standard deviation between runs that differ only in the seed, and the optimism of a best run.

**Contract.** Runs of the same grid cell with different seeds, and runs at n = 0 that were trained more than once on the
same rows, are replicates. Their pooled variance within cells is the variance of one run. Without replicates, a
statistic of a run (such as a mean score) is followed along a curve instead. Beyond n = 0, the expected difference
between neighbouring points of a curve is small, so half of the mean squared difference of neighbours estimates the
variance of one run (von Neumann, Annals of Mathematical Statistics 12, 1941). A remaining rise of the curve counts as
noise, so intervals are too wide rather than too narrow. d differences of neighbours have about 2d/3 degrees of freedom,
since each run enters two of them. Where cells have several seeds, neighbours are not used.

Two replicates answer some test items differently by chance. A bootstrap over items contains this part of the noise as
well, so `interval_with_run_noise` subtracts it once.

**Example.** The scores .30, .34, .32 have the squared differences .0016 and .0004, so the deviation is sqrt(.0005).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan, sqrt
from typing import Final

import numpy as np

from clt_ray.analysis.study import Curve, Point, Study
from clt_ray.analysis.uncertainty import AS_IF_KNOWN, BOOTSTRAP, Estimate, Floats, ResampledValue, Z, mean, t_quantile

MIN_DEGREES_OF_FREEDOM: Final = 1.0
"""Degrees of freedom below which a standard deviation is not used."""

Statistic = Callable[[Study, Curve, Point], float]
"""A number computed from the runs of one point."""
ResampledStatistic = Callable[[Study, Curve, Point], float | ResampledValue]
"""A number computed from the runs of one point, with its bootstrap resamples where they are known."""


@dataclass(frozen=True)
class RunNoise:
    """Variation of a statistic between runs that differ only in the seed."""

    standard_deviation: float
    """Standard deviation of one run, in the unit of the statistic; NaN when it could not be estimated."""
    degrees_of_freedom: float
    """Degrees of freedom of the standard deviation."""
    item_standard_deviation: float = 0.0
    """Root of the part of the variance that a bootstrap over shared items contains too; 0 without item scores."""

    @property
    def is_known(self) -> bool:
        """Whether there are enough degrees of freedom for an interval."""
        return self.degrees_of_freedom >= MIN_DEGREES_OF_FREEDOM

    def half_width(self, weight: float = 2.0) -> float:
        """Returns half of the width of the 95% interval of a linear combination of runs; NaN when it is not known.

        `weight` is the sum of the squared coefficients of the combination: 2 for the difference of two runs.
        """
        if not self.is_known:
            return nan
        return t_quantile(self.degrees_of_freedom) * self.standard_deviation * sqrt(weight)


def run_noise(study: Study, curves: Iterable[Curve], statistic: ResampledStatistic) -> RunNoise:
    """Estimates the run-to-run noise of a statistic, pooled over curves of one task.

    Args:
        curves: Curves to pool. Different runs at n = 0 of the same model, setting and task count as replicates.

    Returns:
        The noise; NaN with 0 degrees of freedom when there are neither replicates nor neighbouring points.
    """

    def measure(curve: Curve, point: Point) -> ResampledValue:
        value = statistic(study, curve, point)
        return value if isinstance(value, ResampledValue) else ResampledValue(value, None, 0, inf, frozenset(), ())

    pooled = list(curves)
    variation = _within_cells(measure, pooled)
    if not variation[2]:
        variation = _between_neighbours(measure, pooled)
    squares, item_squares, freedom = map(float, variation + _between_origins(measure, pooled))
    if not freedom:
        return RunNoise(nan, 0.0)
    return RunNoise(sqrt(squares / freedom), freedom, sqrt(item_squares / freedom))


def interval_with_run_noise(difference: Estimate, noise: RunNoise, runs: tuple[int, int]) -> tuple[float, float]:
    """Returns the 95% interval of a difference of two points that also covers retraining the runs.

    The variance of the items and that of the runs are added, after the part that both contain is subtracted once. The
    degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946) with the variance of the items taken as known.
    `runs` is the number of runs of each point. The ends are NaN when the run-to-run noise is not known.
    """
    if not noise.is_known:
        return nan, nan
    item_variance = ((difference.high - difference.low) / (2 * Z)) ** 2 if difference.has_interval else 0.0
    weight = 1 / runs[0] + 1 / runs[1]
    run_variance = noise.standard_deviation**2 * weight
    # Only a paired bootstrap contains the chance of single answers; the difficulty of the items cancels in it.
    counted_twice = noise.item_standard_deviation**2 * weight if difference.method == BOOTSTRAP else 0.0
    total = max(item_variance - counted_twice, 0.0) + run_variance
    freedom = noise.degrees_of_freedom * (total / run_variance) ** 2 if run_variance else AS_IF_KNOWN
    half_width = t_quantile(freedom) * sqrt(total)
    return difference.estimate - half_width, difference.estimate + half_width


_Measure = Callable[[Curve, Point], ResampledValue]
_NO_VARIATION: Final[Floats] = np.zeros(3)
"""A variation: the sum of squares of a statistic, the part of it that resampling the items explains (0 where item
scores are not known), and its degrees of freedom. Variations from several sources are added."""


def _around_mean(values: Iterable[ResampledValue]) -> Floats:
    finite = [value for value in values if np.isfinite(value.value)]
    if len(finite) < 2:
        return _NO_VARIATION
    centre = mean(finite)
    deviations = [value - centre for value in finite]
    squares = sum(deviation.value**2 for deviation in deviations)
    return np.array([squares, sum(map(_item_variance, deviations)), len(finite) - 1])


def _item_variance(difference: ResampledValue) -> float:
    if difference.draws is None or difference.methods != {BOOTSTRAP}:
        return 0.0
    return float(np.var(difference.draws, ddof=1))


def _within_cells(measure: _Measure, curves: list[Curve]) -> Floats:
    cells = {(curve.task, point.run_ids): (curve, point) for curve in curves for point in curve.points}
    repeated = (
        [measure(curve, Point(point.samples_per_language, (run,))) for run in point.runs]
        for curve, point in cells.values()
        if len(point.runs) > 1
    )
    return sum(map(_around_mean, repeated), _NO_VARIATION)


def _between_neighbours(measure: _Measure, curves: list[Curve]) -> Floats:
    variation = _NO_VARIATION
    for curve in curves:
        values = [measure(curve, point) for point in curve.points if point.samples_per_language]
        for previous, following in pairwise(value for value in values if np.isfinite(value.value)):
            step = following - previous
            # Half of the squared difference estimates the variance, with 2/3 of a degree of freedom.
            variation = variation + np.array([step.value**2, _item_variance(step), 2]) / 3
    return variation


def _between_origins(measure: _Measure, curves: list[Curve]) -> Floats:
    origins: dict[tuple[str, ...], dict[tuple[str, ...], ResampledValue]] = {}
    for curve in curves:
        if curve.origin is not None:
            replicates = origins.setdefault((curve.model, curve.setting, curve.task), {})
            replicates[curve.origin.run_ids] = measure(curve, curve.origin)
    return sum((_around_mean(replicates.values()) for replicates in origins.values()), _NO_VARIATION)


DRAWS: Final = 4000
"""Number of bootstrap resamples."""


@dataclass(frozen=True)
class Peak:
    """The highest value of a series."""

    index: int
    """Index of the run in the series."""
    value: float
    """Value of the run as observed."""
    optimism: float
    """Expected amount by which the maximum overestimates the run, in the unit of the value; 0 without noise."""

    @property
    def corrected(self) -> float:
        """The value minus its optimism."""
        return self.value - self.optimism


def peak(values: Sequence[float], standard_deviation: float, seed: int = 0) -> Peak:
    """Returns the maximum of a series with its optimism.

    The maximum of several noisy scores overestimates the score that the chosen run would have if it were trained again:
    the best of eight equal runs is expected 1.4 standard deviations above their mean. A parametric bootstrap estimates
    this optimism: noise is added to every run, the best run is picked again, and the mean of the noise of the picked
    runs is the optimism (Efron, Journal of the American Statistical Association 78, 1983, for selected models).

    Args:
        values: One value per run; the first of equal maxima is the peak.
        standard_deviation: Run-to-run standard deviation of one value; NaN or 0 when there is nothing to correct for.

    Raises:
        ValueError: There are no values.
    """
    if not len(values):
        raise ValueError("a series without runs has no peak")
    observed = np.asarray(values, dtype=float)
    index = int(observed.argmax())
    optimism = 0.0
    if np.isfinite(standard_deviation) and standard_deviation > 0 and len(observed) > 1:
        resampled = add_noise(values, standard_deviation, seed)
        optimism = float((resampled - observed)[np.arange(DRAWS), resampled.argmax(axis=1)].mean())
    return Peak(index, float(observed[index]), optimism)


def add_noise(values: Sequence[float], standard_deviation: float, seed: int = 0) -> Floats:
    """Returns the values with normal noise added, shape (`DRAWS`, runs); unchanged where the noise is not known."""
    observed = np.asarray(values, dtype=float)
    scale = standard_deviation if np.isfinite(standard_deviation) else 0.0
    return observed + np.random.default_rng(seed).normal(0, scale, (DRAWS, len(observed)))
