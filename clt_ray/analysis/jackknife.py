"""Confidence intervals of means over languages, and over pairs of languages.

Pairs of languages are not independent observations: English-Spanish and English-French share what is specific to
English. The sampling unit is the language, so each language is left out in turn together with all of its pairs (Efron
and Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981). For means over pairs the resulting
interval is too wide rather than too narrow.
"""

from collections.abc import Callable, Iterable
from math import nan, sqrt
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL

FEWEST: Final = 3
"""Smallest number of languages (or runs) for which an interval is computed."""


def t_interval(values: Iterable[float], level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Returns Student's t interval of a mean of independent values; NaN twice for fewer than `FEWEST` values."""
    sample = np.asarray(list(values), dtype=float)
    if len(sample) < FEWEST:
        return nan, nan
    half_width = float(stdtrit(len(sample) - 1, (1 + level) / 2) * sample.std(ddof=1) / sqrt(len(sample)))
    return float(sample.mean()) - half_width, float(sample.mean()) + half_width


def pair_interval(
    pairs: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], level: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """Returns the jackknife interval of a statistic of pairs of languages.

    Args:
        pairs: Frame with the columns `first_language` and `second_language`, which may be equal, and those that the
            statistic needs.
        statistic: Function of a subset of the rows that does not depend on their order.

    Returns:
        Lower and upper end; NaN twice for fewer than `FEWEST` languages, or when the statistic does not exist without
        one of the languages.
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
    half_width = float(stdtrit(n - 1, (1 + level) / 2)) * standard_error
    return statistic(pairs) - half_width, statistic(pairs) + half_width
