"""Spearman rank correlation with a p value and a confidence interval that hold for few pairs.

The coefficient is scipy's, whose p value is asymptotic, while curves have as few as three runs, and has no interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import atanh, nan, sqrt, tanh
from typing import Final

import numpy as np

from clt_ray.analysis.uncertainty import Floats, Z

FISHER: Final = "Fisher z, Bonett-Wright variance"
MIN_PAIRS: Final = 3
"""Smallest number of pairs for which a correlation is computed."""
_DECIMALS: Final = 10
"""Decimals to which values are rounded before they are ranked; smaller differences, rounding errors, are ties."""
_ROUNDING: Final = 1e-9
"""Rounding error of a correlation coefficient, and of the products from which it is computed."""
_EXACT_UP_TO: Final = 8
"""Largest number of pairs for which the p value enumerates all permutations (8! = 40,320)."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation coefficient of pairs."""

    spearman: float
    """Spearman's rho; NaN for fewer than `MIN_PAIRS` pairs, or when one of the two variables is constant."""
    p: float
    """Two-sided p value of the null hypothesis of no association; NaN where rho is NaN."""
    low: float
    high: float
    """`low` and `high` are the ends of the 95% confidence interval; NaN where rho is NaN."""
    n: int
    """Number of pairs."""


def rank_correlation(left: Sequence[float] | Floats, right: Sequence[float] | Floats) -> RankCorrelation:
    """Returns the Spearman correlation of pairs with its p value (`spearman_p`) and interval (`spearman_interval`)."""
    rho = spearman(left, right)
    if not np.isfinite(rho):
        return RankCorrelation(nan, nan, nan, nan, len(left))
    return RankCorrelation(rho, spearman_p(left, right), *spearman_interval(rho, len(left)), len(left))


def spearman(left: Sequence[float] | Floats, right: Sequence[float] | Floats, decimals: int = _DECIMALS) -> float:
    """Returns Spearman's rho of rounded values (ties share ranks); NaN below `MIN_PAIRS` pairs or for constants."""
    from scipy.stats import spearmanr  # Importing scipy.stats takes longer than most uses of this package.

    x, y = np.round(left, decimals), np.round(right, decimals)
    if len(x) < MIN_PAIRS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return nan
    return float(np.clip(spearmanr(x, y).statistic, -1, 1))


def spearman_interval(rho: float, n: int) -> tuple[float, float]:
    """Returns the confidence interval of a rank correlation over n pairs.

    Source: Bonett and Wright, Psychometrika 65, 2000: Fisher's z with the variance (1 + rho^2/2)/(n - 3). Fisher's z is
    infinite at rho = 1 and -1. A perfect order is therefore treated like an order in which two neighbours are swapped,
    and the interval ends at 1 (or -1) on that side. Below 4 pairs the interval is (-1, 1), which is uninformative.
    """
    if n < 4:
        return -1.0, 1.0
    one_swap = 1 - 12 / (n * (n * n - 1))
    inner = min(max(rho, -one_swap), one_swap)
    half_width = Z * sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = tanh(atanh(inner) - half_width), tanh(atanh(inner) + half_width)
    is_perfect = abs(rho) > one_swap + _ROUNDING  # An order with one swap is not perfect, whatever its rounding.
    return (-1.0 if is_perfect and rho < 0 else low), (1.0 if is_perfect and rho > 0 else high)


def spearman_p(left: Sequence[float] | Floats, right: Sequence[float] | Floats) -> float:
    """Returns the two-sided p value of a rank correlation.

    For up to 8 pairs it is exact: the share of all permutations with a correlation at least as far from zero, which for
    3 pairs cannot be below 1/3. For more pairs it is that of Student's t test with n - 2 degrees of freedom.
    """
    from scipy.stats import rankdata, spearmanr

    left_ranks, right_ranks = (rankdata(np.round(values, _DECIMALS)) for values in (left, right))
    if len(left) <= _EXACT_UP_TO:
        centred = left_ranks - left_ranks.mean()
        orders = np.array(list(permutations(right_ranks - right_ranks.mean())))
        observed = abs(float(centred @ (right_ranks - right_ranks.mean())))
        return float(np.mean(np.abs(orders @ centred) >= observed - _ROUNDING))
    return float(spearmanr(left_ranks, right_ranks).pvalue)
