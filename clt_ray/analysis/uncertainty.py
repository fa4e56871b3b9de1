"""Estimates with confidence intervals: paired item bootstrap, Wilson, normal approximation, Student's t, jackknife.

**Contract.** Every quantity of the analysis is a function of mean scores, one per run and evaluation language. Its
confidence interval is computed by resampling the test items, with languages and runs held fixed:

* All runs are scored on the same items, so the same resample is used for all runs. Differences between runs are paired.
* An item that exists in several languages (a translated test set) is one sampling unit and is drawn for all of these
  languages together, so the correlation between languages that comes from shared items is kept.
* Without item scores, a mean score is drawn from a normal distribution with its standard error, independently for each
  run and language. Because the runs share items, the interval of a difference is then too wide rather than too narrow.

**Example.** Two runs have the item scores [1, 0, 0] and [1, 1, 0]. A resample draws the items 1, 1 and 2, that is the
counts [2, 1, 0]. The means in this resample are 2/3 and 1, and their difference is 1/3. The interval holds the middle
95% of such differences over thousands of resamples. Item 1, which both runs solve, never widens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf, nan, sqrt
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.floating]

CONFIDENCE_LEVEL: Final = 0.95
Z: Final = float(ndtri((1 + CONFIDENCE_LEVEL) / 2))
"""Half of the width of a 95% interval of a normal distribution, in standard deviations."""
AS_IF_KNOWN: Final = 1e6
"""Degrees of freedom at which Student's t distribution equals the normal one."""
BOOTSTRAP: Final = "paired item bootstrap"
NORMAL: Final = "normal approximation"
WILSON: Final = "Wilson"
NO_INTERVAL: Final = "none"

FEWEST: Final = 3
"""Smallest number of items, languages or runs for which an interval by Student's t distribution is computed."""
_USABLE: Final = 0.99
"""Smallest share of resamples in which a ratio must be finite for its interval to be reported."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95% confidence interval and its provenance."""

    estimate: float
    """Point estimate in the metric's stored unit; NaN when it does not exist."""
    low: float
    high: float
    """`low` and `high` are the ends of the 95% confidence interval; NaN without an interval."""
    n: int
    """Number of item scores behind the estimate; number of runs for a correlation."""
    method: str
    """Methods of the interval joined by " + " (`BOOTSTRAP`, `NORMAL`, `WILSON`), or `NO_INTERVAL`."""
    run_ids: tuple[str, ...]
    """Runs from which the estimate was computed."""
    p: float = nan
    """Two-sided p value of a true value of zero, meaningful for differences only; NaN without an interval."""

    @property
    def has_interval(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ResampledValue:
    """A quantity with its value in every bootstrap resample; those of a task share resamples, so they stay paired."""

    value: float
    """The quantity computed from the data themselves."""
    draws: Floats | None
    """The quantity in each resample, shape (draws,); None when its sampling error is not known."""
    n: int
    """Number of item scores behind the quantity."""
    units: float
    """Smallest number of items behind any of the mean scores; infinite where only standard errors are known."""
    methods: frozenset[str]
    """Methods by which the resamples were drawn: `BOOTSTRAP`, `NORMAL`."""
    run_ids: tuple[str, ...]
    """Runs from which the quantity was computed."""
    bounds: tuple[float, float] = field(default=(-inf, inf))
    """Smallest and largest possible value of the quantity."""

    def __sub__(self, other: ResampledValue) -> ResampledValue:
        bounds = self.bounds[0] - other.bounds[1], self.bounds[1] - other.bounds[0]
        return self._combined(np.subtract, other, self.value - other.value, bounds)

    def __truediv__(self, other: ResampledValue) -> ResampledValue:
        return self._combined(np.divide, other, self.value / other.value if other.value else nan, (0.0, inf))

    def _combined(
        self, operation: np.ufunc, other: ResampledValue, value: float, bounds: tuple[float, float]
    ) -> ResampledValue:
        draws = None
        if self.draws is not None and other.draws is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                draws = np.asarray(operation(self.draws, other.draws), dtype=np.float64)
        run_ids = tuple(dict.fromkeys((*self.run_ids, *other.run_ids)))
        n, units, methods = self.n + other.n, min(self.units, other.units), self.methods | other.methods
        return ResampledValue(value, draws, n, units, methods, run_ids, bounds)

    def scaled(self, factor: float) -> ResampledValue:
        """Returns the quantity multiplied by a positive factor, for a change of unit."""
        draws = None if self.draws is None else self.draws * factor
        bounds = self.bounds[0] * factor, self.bounds[1] * factor
        return replace(self, value=self.value * factor, draws=draws, bounds=bounds)

    def unpaired(self) -> ResampledValue:
        """Returns the quantity with reordered resamples, for differences of tasks: they share a seed, but no items."""
        return replace(self, draws=None if self.draws is None else np.roll(self.draws, len(self.draws) // 2))

    def estimate(self) -> Estimate:
        """Returns the quantity with its bootstrap percentile interval, widened for small samples.

        The bootstrap standard error of a mean of n items is too small by the factor sqrt((n-1)/n), and a normal
        quantile is too small for few items. Both are corrected by taking wider percentiles (Hesterberg, "What Teachers
        Should Know About the Bootstrap", The American Statistician 69(4), 2015, section 5.1). If all resamples are
        equal, the share of items that could still differ is at most the upper Wilson bound of 0 successes in n, and the
        interval is computed from that bound. The p value is that of Student's t test, because a share of the resamples
        has steps of one divided by their number, too coarse for the correction for multiple comparisons.
        """
        low, high, p = nan, nan, nan
        if self.draws is not None and np.isfinite(self.value):
            finite = self.draws[np.isfinite(self.draws)]
            if finite.size < _USABLE * self.draws.size:
                pass  # A ratio whose denominator is zero in many resamples has no interval.
            elif np.ptp(finite) > 1e-12 * max(1.0, abs(self.value)):
                # Standard errors have no number of items, and fewer than three are too few for Student's t.
                units = self.units if self.units >= FEWEST else inf
                shrinkage = sqrt((units - 1) / units) if units < inf else 1.0
                tail = ndtr(-t_quantile(units - 1) / shrinkage)
                low, high = (float(end) for end in np.quantile(finite, [tail, 1 - tail]))
                t = -abs(self.value) / float(finite.std(ddof=1)) * shrinkage
                p = float(2 * (stdtr(units - 1, t) if units < inf else ndtr(t)))
            elif np.isfinite(self.units) and np.isfinite(self.bounds).all():
                half = (self.bounds[1] - self.bounds[0]) * wilson(0.0, int(self.units))[1]
                low, high = max(self.value - half, self.bounds[0]), min(self.value + half, self.bounds[1])
                p = float(2 * ndtr(-abs(self.value) * Z / half))
        method = " + ".join(sorted(self.methods)) if np.isfinite(low) else NO_INTERVAL
        return Estimate(self.value, low, high, self.n, method, self.run_ids, p)


def mean(values: list[ResampledValue]) -> ResampledValue:
    """Returns the unweighted mean of quantities, paired by resample; NaN for an empty list."""
    if not values:
        return ResampledValue(nan, None, 0, inf, frozenset(), ())
    known_draws = [item.draws for item in values if item.draws is not None]
    draws = np.mean(known_draws, axis=0) if len(known_draws) == len(values) else None
    return ResampledValue(
        float(np.mean([item.value for item in values])), draws, sum(item.n for item in values),
        min(item.units for item in values), frozenset().union(*(item.methods for item in values)),
        tuple(dict.fromkeys(run_id for item in values for run_id in item.run_ids)), values[0].bounds,
    )  # fmt: skip


def wilson(fraction: float, n: int) -> tuple[float, float]:
    """Returns the Wilson score interval of a proportion (Wilson, JASA 22, 1927).

    `scipy.stats.binomtest` has the same interval for whole numbers of successes only. Here the mean of fractional item
    scores, and scores that were rounded for print, are proportions too.

    Raises:
        ValueError: There are no trials, or the share is outside 0 to 1.
    """
    if n < 1 or not 0 <= fraction <= 1:
        raise ValueError(f"no proportion: {fraction} of {n}")
    centre = fraction + Z * Z / (2 * n)
    half = Z * sqrt(fraction * (1 - fraction) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def resample_counts(strata: NDArray[np.integer], draws: int, seed: int) -> NDArray[np.float32]:
    """Draws a stratified bootstrap: how often each unit occurs in each resample.

    Args:
        strata: Stratum of each unit, shape (units,).

    Returns:
        Counts of shape (draws, units). Within every stratum, each row sums to the number of units of the stratum.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((draws, strata.size), np.float32)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        counts[:, members] = rng.multinomial(members.size, np.full(members.size, 1 / members.size), size=draws)
    return counts


def resampled_means(items: Floats, counts: NDArray[np.float32]) -> Floats:
    """Returns the mean of each row of item scores in every resample.

    Args:
        items: Item scores, shape (rows, units); NaN where a row lacks the item.
        counts: Counts from `resample_counts`, shape (draws, units).

    Returns:
        Means of shape (draws, rows); NaN where a resample contains none of the items of a row.
    """
    present = np.isfinite(items)
    total = counts @ np.where(present, items, 0).astype(np.float32).T
    size = counts @ present.astype(np.float32).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / size, dtype=np.float64)


def t_quantile(degrees_of_freedom: float) -> float:
    """Returns half of the width of a 95% interval of Student's t distribution, in standard deviations."""
    return float(stdtrit(degrees_of_freedom, (1 + CONFIDENCE_LEVEL) / 2))


def t_interval(values: Iterable[float]) -> tuple[float, float]:
    """Returns Student's t interval of a mean of independent values; NaN twice for fewer than `FEWEST` values."""
    sample = np.asarray(list(values), dtype=float)
    if len(sample) < FEWEST:
        return nan, nan
    half_width = t_quantile(len(sample) - 1) * float(sample.std(ddof=1)) / sqrt(len(sample))
    return float(sample.mean()) - half_width, float(sample.mean()) + half_width


def pair_interval(pairs: pd.DataFrame, statistic: Callable[[pd.DataFrame], float]) -> tuple[float, float]:
    """Returns the jackknife interval of a statistic of pairs of languages.

    Pairs of languages are not independent observations: English-Spanish and English-French share what is specific to
    English. Each language is therefore left out in turn together with all of its pairs (Efron and Stein, "The jackknife
    estimate of variance", Annals of Statistics 9, 1981). Intervals of means over pairs are rather too wide.

    Args:
        pairs: Frame with the columns `first_language`, `second_language` (may be equal), and those of the statistic.
        statistic: Function of a subset of the rows that does not depend on their order.

    Returns:
        Both ends; NaN for fewer than `FEWEST` languages, or where the statistic does not exist without one of them.
    """
    first, second = pairs["first_language"], pairs["second_language"]
    languages = sorted(set(first) | set(second))
    n = len(languages)
    if n < FEWEST:
        return nan, nan
    remaining = [pairs[(first != code) & (second != code)] for code in languages]
    leave_one_out = np.array([statistic(rows) if len(rows) else nan for rows in remaining])
    if not np.isfinite(leave_one_out).all():
        return nan, nan
    standard_error = sqrt((n - 1) / n * float(((leave_one_out - leave_one_out.mean()) ** 2).sum()))
    half_width = t_quantile(n - 1) * standard_error
    return statistic(pairs) - half_width, statistic(pairs) + half_width
