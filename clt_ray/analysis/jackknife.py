"""Intervals of means over languages and over pairs of languages.

Pairs share languages, so they are no independent draws: English-Spanish and English-French both hold what is special
about English. Languages are what is sampled, so each is left out in turn with all its pairs (Efron and Stein, "The
jackknife estimate of variance", Annals of Statistics 9, 1981; for means over pairs it is too wide rather than too
narrow).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import nan, sqrt

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL

FEWEST = 3
"""Languages without which there is no interval."""


def t_interval(values: Iterable[float], level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Student interval of a mean; NaN for fewer than `FEWEST` values."""
    known = np.asarray(list(values), dtype=float)
    if len(known) < FEWEST:
        return nan, nan
    half = float(stdtrit(len(known) - 1, (1 + level) / 2) * known.std(ddof=1) / sqrt(len(known)))
    return float(known.mean()) - half, float(known.mean()) + half


def pair_interval(
    pairs: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], level: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """Interval of a statistic of pairs of languages.

    Args:
        pairs: Columns `first_language` and `second_language`, which may be equal, and what the statistic needs.
        statistic: Of some of the rows; must not depend on their order.
        level: Coverage.

    Returns:
        NaN for fewer than `FEWEST` languages, and where leaving one out leaves no statistic.
    """
    first, second = pairs["first_language"], pairs["second_language"]
    languages = sorted(set(first) | set(second))
    n = len(languages)
    if n < FEWEST:
        return nan, nan
    without = [pairs[(first != code) & (second != code)] for code in languages]
    left = np.array([statistic(rows) if len(rows) else nan for rows in without])
    if not np.isfinite(left).all():
        return nan, nan
    error = sqrt((n - 1) / n * float(((left - left.mean()) ** 2).sum()))
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    return statistic(pairs) - half, statistic(pairs) + half
