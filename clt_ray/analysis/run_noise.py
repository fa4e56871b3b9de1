"""How much two runs differ that differ in nothing: from repeated runs, or from neighbours where nothing is repeated.

**Contract.** Runs of one cell with different seeds, and n = 0 runs that were trained more than once on the same rows,
are repeats: the variance within cells, pooled, is that of one run. Without repeats a statistic of a run (a mean score,
a share of English) is followed along series. Once a curve has left n = 0, neighbouring runs differ little in
expectation, so half of the mean squared difference of neighbours estimates the variance of one run (von Neumann,
Annals of Mathematical Statistics 12, 1941). What curves still rise counts as noise, so the estimate errs towards wide
intervals. Differences of d neighbours carry about 2d/3 degrees of freedom, since each run enters two of them. Where
cells have several seeds, neighbours are left out: repeats tell the same without the rise.

Runs that differ in nothing answer some items differently by chance. That is part of what they differ in, and also of
what a bootstrap over items shows of a difference of runs; `interval_with_run_noise` counts it once.

**Example.** A series .30 .34 .32 has squared differences .0016 and .0004: variance .0005, standard deviation .022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from clt_ray.analysis.study import Curve, Point, Study
from clt_ray.analysis.uncertainty import BOOTSTRAP, CONFIDENCE_LEVEL, Estimate, ResampledValue, mean

LEAST_FREEDOM: Final = 1.0
"""Degrees of freedom below which a deviation says nothing."""

Statistic = Callable[[Study, Curve, Point], float]
"""A number about the runs of one point."""
Sampled = Callable[[Study, Curve, Point], float | ResampledValue]
"""The same, perhaps with its resamples."""


@dataclass(frozen=True)
class RunNoise:
    """Variation of a statistic between runs that differ in nothing."""

    deviation: float
    """Standard deviation, in the statistic's unit; NaN when nothing is known."""
    freedom: float
    """Degrees of freedom behind it."""
    items: float = 0.0
    """The part of the deviation that resamples of shared items explain, as a deviation; 0 where it is not known."""

    def half_width(self, weight: float = 2.0) -> float:
        """Half of the 95% interval of a combination of runs whose squared weights add up to `weight`: 2 for the
        difference of two runs."""
        if not self.freedom >= LEAST_FREEDOM:
            return nan
        return float(stdtrit(self.freedom, (1 + CONFIDENCE_LEVEL) / 2)) * self.deviation * sqrt(weight)


def run_noise(study: Study, curves: Iterable[Curve], statistic: Sampled) -> RunNoise:
    """Pool a statistic's variation over curves of one task.

    Args:
        study: The scores.
        curves: What to pool; n = 0 runs that several of them start from in a run of their own count as repeats when
            model, setting and task agree.
        statistic: Of one point.
    """
    series = list(curves)
    spread = _within_cells(study, series, statistic)
    if not spread.freedom:
        spread = _between_neighbours(study, series, statistic)
    spread = spread + _between_starts(study, series, statistic)
    if not spread.freedom:
        return RunNoise(nan, 0.0)
    return RunNoise(sqrt(spread.squares / spread.freedom), spread.freedom, sqrt(spread.items / spread.freedom))


def interval_with_run_noise(found: Estimate, noise: RunNoise, runs: tuple[int, int]) -> tuple[float, float]:
    """95% interval of a difference of two points that also covers training the runs again.

    The variance of the items, less what of it the runs show as well, and that of the runs add up; the degrees of
    freedom are Satterthwaite's (Biometrics Bulletin 2, 1946), the items counting as many.

    Args:
        found: The difference, with its interval over items, or without one.
        noise: Of the statistic that is compared.
        runs: Runs behind the one point and behind the other.

    Returns:
        NaN twice when nothing is known of the runs.
    """
    if not noise.freedom >= LEAST_FREEDOM:
        return nan, nan
    items = (
        ((found.high - found.low) / (2 * float(ndtri((1 + CONFIDENCE_LEVEL) / 2)))) ** 2 if found.has_interval else 0.0
    )
    weight = 1 / runs[0] + 1 / runs[1]
    between = noise.deviation**2 * weight
    # Only a paired bootstrap shows the chance of single answers and nothing of how hard the items are.
    twice = noise.items**2 * weight if found.method == BOOTSTRAP else 0.0
    total = max(items - twice, 0.0) + between
    freedom = noise.freedom * (total / between) ** 2 if between else 1e6
    half = float(stdtrit(freedom, (1 + CONFIDENCE_LEVEL) / 2)) * sqrt(total)
    return found.estimate - half, found.estimate + half


@dataclass(frozen=True)
class _Spread:
    """Sums of squares that add up over sources."""

    squares: float = 0.0
    """Of the statistic."""
    items: float = 0.0
    """What of it resampling the items explains; 0 where nothing is known of them."""
    freedom: float = 0.0

    def __add__(self, other: _Spread) -> _Spread:
        return _Spread(self.squares + other.squares, self.items + other.items, self.freedom + other.freedom)


def _around_mean(values: list[ResampledValue]) -> _Spread:
    """Of repeats around their mean."""
    known = [value for value in values if np.isfinite(value.value)]
    if len(known) < 2:
        return _Spread()
    centre = mean(known)
    parts = [each - centre for each in known]
    return _Spread(sum(part.value**2 for part in parts), sum(map(_item_variance, parts)), len(known) - 1)


def _item_variance(difference: ResampledValue) -> float:
    if difference.draws is None or difference.methods != {BOOTSTRAP}:
        return 0.0
    return float(np.var(difference.draws, ddof=1))


def _within_cells(study: Study, curves: list[Curve], statistic: Sampled) -> _Spread:
    """Runs of one cell around their mean; each cell once."""
    spread = _Spread()
    cells = {(curve.task, point.run_ids): (curve, point) for curve in curves for point in curve.points}
    for curve, point in cells.values():
        if len(point.runs) > 1:
            alone = [Point(point.samples_per_language, (run,)) for run in point.runs]
            spread += _around_mean([_sample(statistic(study, curve, each)) for each in alone])
    return spread


def _between_neighbours(study: Study, curves: list[Curve], statistic: Sampled) -> _Spread:
    spread = _Spread()
    for curve in curves:
        values = [_sample(statistic(study, curve, point)) for point in curve.points if point.samples_per_language]
        known = [value for value in values if np.isfinite(value.value)]
        for one, other in pairwise(known):
            step = other - one
            spread += _Spread(step.value**2 / 3, _item_variance(step) / 3, 2 / 3)
    return spread


def _between_starts(study: Study, curves: list[Curve], statistic: Sampled) -> _Spread:
    """Curves of different groups that start from a run of their own each started from the same rows."""
    spread = _Spread()
    starts: dict[tuple[str, str, str], dict[tuple[str, ...], ResampledValue]] = {}
    for curve in curves:
        if curve.origin is not None:
            own = starts.setdefault((curve.model, curve.setting, curve.task), {})
            own[curve.origin.run_ids] = _sample(statistic(study, curve, curve.origin))
    for repeats in starts.values():
        spread += _around_mean(list(repeats.values()))
    return spread


def _sample(value: float | ResampledValue) -> ResampledValue:
    return value if isinstance(value, ResampledValue) else ResampledValue(value, None, 0, inf, frozenset(), ())
