"""Many comparisons at once: which differences remain when a share of false ones is tolerated.

**Contract.** Of all comparisons of a family that are called different, at most 5% are expected to be false. `q` of a
comparison is the smallest such share at which it would be among them (Benjamini and Hochberg, Journal of the Royal
Statistical Society B 57, 1995; their order holds under the positive dependence of languages scored on shared items).

**Example.** p = .01, .02, .03, .50: the second is the smallest of .02 * 4/2, .03 * 4/3 and .50, so q = .04.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from clt_ray.analysis.uncertainty import Floats

FALSE_DISCOVERY_RATE: Final = 0.05
"""Expected share of false ones among the differences that are called so."""


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p values, in the order given; NaN where p is NaN, which is then no member of the family.

    Raises:
        ValueError: A p value outside 0 to 1.
    """
    values = np.asarray(p, dtype=float)
    known = np.flatnonzero(np.isfinite(values))
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise ValueError("p values lie between 0 and 1")
    order = known[np.argsort(values[known], kind="stable")]
    raw = values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return adjusted


def add_q_values(table: pd.DataFrame, family: Sequence[str]) -> pd.DataFrame:
    """The table with a column `q` after `p`, adjusted within each family.

    Args:
        table: Has a column `p`.
        family: Columns whose equal values make a family.
    """
    q = np.full(len(table), np.nan)
    for rows in table.groupby(list(family), sort=False).indices.values():
        q[rows] = benjamini_hochberg(table["p"].to_numpy()[rows])
    place = list(table.columns).index("p") + 1
    return pd.concat([table.iloc[:, :place], pd.Series(q, table.index, name="q"), table.iloc[:, place:]], axis=1)
