"""How much two runs differ that differ in nothing, from published scores without repeats or items.

**Contract.** A statistic of a run (a mean score, a share of English) is followed along series. Once a curve has left
n = 0, neighbouring runs differ little in expectation, so half of the mean squared difference of neighbours estimates
the variance of one run (von Neumann, Annals of Mathematical Statistics 12, 1941). What curves still rise counts as
noise, so the estimate errs towards wide intervals. Runs at n = 0 that were trained more than once on the same rows
are repeats and add their variance. Differences of d neighbours carry about 2d/3 degrees of freedom, since each run
enters two of them.

**Example.** A series .30 .34 .32 has squared differences .0016 and .0004: variance .0005, standard deviation .022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan, sqrt
from typing import Final

import numpy as np
from scipy.special import stdtrit

from clt_ray.analysis.study import Curve, Point, Study
from clt_ray.analysis.uncertainty import LEVEL

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
    squares = freedom = 0.0
    starts: dict[tuple[str, str, str], dict[tuple[str, ...], float]] = {}
    for curve in curves:
        values = np.array([statistic(study, curve, point) for point in curve.points if point.samples_per_language])
        steps = np.diff(values[np.isfinite(values)])
        squares += float((steps**2).sum()) / 2 * 2 / 3
        freedom += len(steps) * 2 / 3
        if curve.origin is not None:
            own = starts.setdefault((curve.model, curve.setting, curve.task), {})
            own[curve.origin.run_ids] = statistic(study, curve, curve.origin)
    for repeats in starts.values():
        values = np.array([value for value in repeats.values() if np.isfinite(value)])
        if len(values) > 1:
            squares += float(((values - values.mean()) ** 2).sum())
            freedom += len(values) - 1
    return RunNoise(sqrt(squares / freedom) if freedom else nan, freedom)
