"""How sure a number is: paired item bootstrap, Wilson interval, normal approximation.

**Contract.** Every quantity of the analysis is a function of *cells*: the mean score of one run in one language. Its
interval comes from resampling the test items behind the cells, with languages and runs held fixed:

* Runs are scored on the same items, so one resample serves all runs: a difference of two runs is paired.
* An item that exists in several languages (a translated test set) is one unit and is drawn for all of them together;
  what the languages' means share by being about the same items is then not counted as evidence twice.
* Without item scores, a cell is drawn from a normal around its score with its standard error, cells independently.
  Shared items make that too wide for differences, never too narrow.

**Example.** Two runs on three items, [1, 0, 0] and [1, 1, 0]. A resample draws items (1, 1, 2), that is the counts
[2, 1, 0]: the means are 2/3 and 1, their difference is 1/3 in this resample. Over thousands of resamples the middle
95% of such differences is the interval; item 1, which both runs solve, never makes it wider.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.floating]

CONFIDENCE_LEVEL: Final = 0.95
BOOTSTRAP: Final = "paired item bootstrap"
NORMAL: Final = "normal approximation"
WILSON: Final = "Wilson"
NO_INTERVAL: Final = "none"

_USABLE: Final = 0.99
"""Share of resamples in which a ratio must exist for its interval to be given."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and what it rests on."""

    estimate: float
    """The number, in the metric's stored unit; NaN when it does not exist."""
    low: float
    """Lower end of the 95% interval; NaN without an interval."""
    high: float
    """Upper end of the 95% interval; NaN without an interval."""
    n: int
    """Item scores behind the number (runs, for a correlation)."""
    method: str
    """How the interval was made: `BOOTSTRAP`, `NORMAL`, `WILSON`, joined by " + ", or `NO_INTERVAL`."""
    run_ids: tuple[str, ...]
    """Runs behind the number."""
    p: float = nan
    """Two-sided p value of a true value of zero, which only a difference can have; NaN without an interval."""

    @property
    def has_interval(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def excludes_zero(self) -> bool:
        return self.has_interval and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class ResampledValue:
    """A quantity together with its value in every resample, so that quantities can be combined and stay paired."""

    value: float
    """The quantity on the data itself."""
    draws: Floats | None
    """The quantity in each resample, shape (draws,); None when nothing is known of its uncertainty."""
    n: int
    """Item scores behind it."""
    units: float
    """Smallest number of items behind any of its cells; infinite where only standard errors are known."""
    methods: frozenset[str]
    run_ids: tuple[str, ...]
    bounds: tuple[float, float] = field(default=(-inf, inf))
    """Smallest and largest value that the quantity can take."""

    def __sub__(self, other: ResampledValue) -> ResampledValue:
        low, high = self.bounds[0] - other.bounds[1], self.bounds[1] - other.bounds[0]
        return self._with(other, self.value - other.value, _apply(np.subtract, self, other), (low, high))

    def __truediv__(self, other: ResampledValue) -> ResampledValue:
        value = self.value / other.value if other.value else nan
        return self._with(other, value, _apply(np.divide, self, other), (0.0, inf))

    def scaled(self, factor: float) -> ResampledValue:
        """The quantity in another unit, of which one has `1 / factor` of this one; `factor` above 0."""
        draws = None if self.draws is None else self.draws * factor
        bounds = self.bounds[0] * factor, self.bounds[1] * factor
        return replace(self, value=self.value * factor, draws=draws, bounds=bounds)

    def unpaired(self) -> ResampledValue:
        """The same in another order of resamples: for a difference from a quantity about other items, whose resamples
        share nothing with these but the state of the random generator."""
        return replace(self, draws=None if self.draws is None else np.roll(self.draws, len(self.draws) // 2))

    def _with(
        self, other: ResampledValue, value: float, draws: Floats | None, bounds: tuple[float, float]
    ) -> ResampledValue:
        return ResampledValue(
            value,
            draws,
            self.n + other.n,
            min(self.units, other.units),
            self.methods | other.methods,
            tuple(dict.fromkeys((*self.run_ids, *other.run_ids))),
            bounds,
        )

    def estimate(self, level: float = CONFIDENCE_LEVEL) -> Estimate:
        """The quantity with its percentile interval, widened for few items.

        A resample of n items varies too little by sqrt((n-1)/n), and a normal quantile is too small for few items; both
        are mended by taking wider percentiles (Hesterberg, "What Teachers Should Know About the Bootstrap", The
        American Statistician 69(4), 2015, section 5.1). If no resample differs, the items that could still differ are
        at most the Wilson bound of 0 in n, which bounds the quantity.
        """
        low, high, p = nan, nan, nan
        if self.draws is not None and np.isfinite(self.value):
            finite = self.draws[np.isfinite(self.draws)]
            if finite.size < _USABLE * self.draws.size:
                pass  # a ratio whose denominator vanishes in many resamples has no interval
            elif np.ptp(finite) > 1e-12 * max(1.0, abs(self.value)):
                tail = _tail(self.units, level)
                low, high = (float(end) for end in np.quantile(finite, [tail, 1 - tail]))
                p = _p(self.value, float(finite.std(ddof=1)), self.units)
            elif np.isfinite(self.units) and np.isfinite(self.bounds).all():
                half = (self.bounds[1] - self.bounds[0]) * wilson(0.0, int(self.units), level)[1]
                low, high = max(self.value - half, self.bounds[0]), min(self.value + half, self.bounds[1])
                p = float(2 * ndtr(-abs(self.value) * float(ndtri((1 + level) / 2)) / half))
        method = " + ".join(sorted(self.methods)) if np.isfinite(low) else NO_INTERVAL
        return Estimate(self.value, low, high, self.n, method, self.run_ids, p)


def mean(samples: list[ResampledValue]) -> ResampledValue:
    """Unweighted mean of quantities, paired; NaN of none."""
    if not samples:
        return ResampledValue(nan, None, 0, inf, frozenset(), ())
    drawn = [sample.draws for sample in samples if sample.draws is not None]
    draws = np.mean(drawn, axis=0) if len(drawn) == len(samples) else None
    return ResampledValue(
        float(np.mean([sample.value for sample in samples])),
        draws,
        sum(sample.n for sample in samples),
        min(sample.units for sample in samples),
        frozenset().union(*(sample.methods for sample in samples)),
        tuple(dict.fromkeys(run_id for sample in samples for run_id in sample.run_ids)),
        samples[0].bounds,
    )


def wilson(fraction: float, n: int, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson, JASA 22, 1927).

    Args:
        fraction: Share of successes, 0 to 1.
        n: Trials.
        level: Coverage.

    Raises:
        ValueError: No trials, or a share outside 0 to 1.
    """
    if n < 1 or not 0 <= fraction <= 1:
        raise ValueError(f"no proportion: {fraction} of {n}")
    z = float(ndtri((1 + level) / 2))
    centre = fraction + z * z / (2 * n)
    half = z * sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def resample_counts(strata: NDArray[np.integer], draws: int, seed: int) -> NDArray[np.float32]:
    """How often each unit is drawn in each resample, as many per stratum as the stratum has.

    Args:
        strata: Stratum of each unit, shape (units,).
        draws: Number of resamples.
        seed: Of the random generator; equal arguments give equal counts.

    Returns:
        Shape (draws, units); each row sums to the number of units within every stratum.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((draws, strata.size), np.float32)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        counts[:, members] = rng.multinomial(members.size, np.full(members.size, 1 / members.size), size=draws)
    return counts


def resampled_means(items: Floats, counts: NDArray[np.float32]) -> Floats:
    """Mean of each row's items in every resample.

    Args:
        items: Scores, shape (cells, units); NaN where a cell lacks the item.
        counts: Shape (draws, units), from `resample_counts`.

    Returns:
        Shape (draws, cells); NaN where a resample holds none of a cell's items.
    """
    present = np.isfinite(items)
    total = counts @ np.where(present, items, 0).astype(np.float32).T
    size = counts @ present.astype(np.float32).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / size, dtype=np.float64)


def _apply(operation: np.ufunc, left: ResampledValue, right: ResampledValue) -> Floats | None:
    if left.draws is None or right.draws is None:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(operation(left.draws, right.draws), dtype=np.float64)


def _p(value: float, deviation: float, units: float) -> float:
    """Two-sided, by Student's t: a share of resamples could not be smaller than one in their number."""
    if not np.isfinite(units) or units < 3:
        return float(2 * ndtr(-abs(value) / deviation))
    # Resamples of n items vary too little by the same factor that widens the interval.
    return float(2 * stdtr(units - 1, -abs(value) / deviation * sqrt((units - 1) / units)))


def _tail(units: float, level: float) -> float:
    """Probability below the interval's lower end in the resamples, smaller than (1 - level) / 2 for few units."""
    if not np.isfinite(units) or units < 3:
        return (1 - level) / 2
    quantile = float(stdtrit(units - 1, (1 + level) / 2))
    return float(ndtr(-sqrt(units / (units - 1)) * quantile))
