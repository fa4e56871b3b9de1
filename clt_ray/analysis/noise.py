"""How much two runs differ that differ in nothing: from repeated runs, or from neighbours where nothing is repeated.

**Contract.** Runs of one cell with different seeds, and n = 0 runs that were trained more than once on the same rows,
are repeats: the variance within cells, pooled, is that of one run. Without repeats a statistic of a run (a mean score,
a share of English) is followed along series. Once a curve has left n = 0, neighbouring runs differ little in
expectation, so half of the mean squared difference of neighbours estimates the variance of one run (von Neumann,
Annals of Mathematical Statistics 12, 1941). What curves still rise counts as noise, so the estimate errs towards wide
intervals. Differences of d neighbours carry about 2d/3 degrees of freedom, since each run enters two of them. Where
cells have several seeds, neighbours are left out: repeats tell the same without the rise.

**Example.** A series .30 .34 .32 has squared differences .0016 and .0004: variance .0005, standard deviation .022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from clt_ray.analysis.study import Curve, Point, Study
from clt_ray.analysis.uncertainty import LEVEL, Estimate

LEAST_FREEDOM: Final = 1.0
"""Degrees of freedom below which a deviation says nothing."""

Statistic = Callable[[Study, Curve, Point], float]
"""A number about the runs of one point."""


@dataclass(frozen=True)
class RunNoise:
    """Variation of a statistic between runs that differ in nothing."""

    deviation: float
    """Standard deviation, in the statistic's unit; NaN when nothing is known."""
    freedom: float
    """Degrees of freedom behind it."""

    def half_width(self, weight: float = 2.0) -> float:
        """Half of the 95% interval of a combination of runs whose squared weights add up to `weight`: 2 for the
        difference of two runs."""
        if not self.freedom >= LEAST_FREEDOM:
            return nan
        return float(stdtrit(self.freedom, (1 + LEVEL) / 2)) * self.deviation * sqrt(weight)


def run_noise(study: Study, curves: Iterable[Curve], statistic: Statistic) -> RunNoise:
    """Pool a statistic's variation over curves of one task.

    Args:
        study: The scores.
        curves: What to pool; n = 0 runs that several of them start from in a run of their own count as repeats when
            model, setting and task agree.
        statistic: Of one point.
    """
    series = list(curves)
    squares, freedom = _within_cells(study, series, statistic)
    if not freedom:
        squares, freedom = _between_neighbours(study, series, statistic)
    again, repeats = _between_starts(study, series, statistic)
    squares, freedom = squares + again, freedom + repeats
    return RunNoise(sqrt(squares / freedom) if freedom else nan, freedom)


def with_noise(found: Estimate, noise: RunNoise, runs: tuple[int, int]) -> tuple[float, float]:
    """95% interval of a difference of two points that also covers training the runs again.

    The variance of the items and that of the runs add up; the degrees of freedom are Satterthwaite's (Biometrics
    Bulletin 2, 1946), the items counting as many.

    Args:
        found: The difference, with its interval over items, or without one.
        noise: Of the statistic that is compared.
        runs: Runs behind the one point and behind the other.

    Returns:
        NaN twice when nothing is known of the runs.
    """
    if not noise.freedom >= LEAST_FREEDOM:
        return nan, nan
    items = ((found.high - found.low) / (2 * float(ndtri((1 + LEVEL) / 2)))) ** 2 if found.has_interval else 0.0
    between = noise.deviation**2 * (1 / runs[0] + 1 / runs[1])
    total = items + between
    freedom = noise.freedom * (total / between) ** 2 if between else 1e6
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * sqrt(total)
    return found.estimate - half, found.estimate + half


def _within_cells(study: Study, curves: list[Curve], statistic: Statistic) -> tuple[float, float]:
    """Sum of squares and degrees of freedom of runs of one cell around their mean; each cell once."""
    squares = freedom = 0.0
    cells = {(curve.task, point.run_ids): (curve, point) for curve in curves for point in curve.points}
    for curve, point in cells.values():
        if len(point.runs) > 1:
            alone = [statistic(study, curve, Point(point.samples_per_language, (run,))) for run in point.runs]
            known = np.array([value for value in alone if np.isfinite(value)])
            if len(known) > 1:
                squares += float(((known - known.mean()) ** 2).sum())
                freedom += len(known) - 1
    return squares, freedom


def _between_neighbours(study: Study, curves: list[Curve], statistic: Statistic) -> tuple[float, float]:
    squares = freedom = 0.0
    for curve in curves:
        values = np.array([statistic(study, curve, point) for point in curve.points if point.samples_per_language])
        steps = np.diff(values[np.isfinite(values)])
        squares += float((steps**2).sum()) / 2 * 2 / 3
        freedom += len(steps) * 2 / 3
    return squares, freedom


def _between_starts(study: Study, curves: list[Curve], statistic: Statistic) -> tuple[float, float]:
    """Curves of different groups that start from a run of their own each started from the same rows."""
    squares = freedom = 0.0
    starts: dict[tuple[str, str, str], dict[tuple[str, ...], float]] = {}
    for curve in curves:
        if curve.origin is not None:
            own = starts.setdefault((curve.model, curve.setting, curve.task), {})
            own[curve.origin.run_ids] = statistic(study, curve, curve.origin)
    for repeats in starts.values():
        values = np.array([value for value in repeats.values() if np.isfinite(value)])
        if len(values) > 1:
            squares += float(((values - values.mean()) ** 2).sum())
            freedom += len(values) - 1
    return squares, freedom
