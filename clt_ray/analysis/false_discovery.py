"""Controls the false discovery rate of many comparisons (Benjamini and Hochberg).

**Contract.** Of all comparisons in a family that are reported as different from zero, at most 5% are expected to be
false discoveries. The adjusted p value `q` of a comparison is the smallest false discovery rate at which it is among
the discoveries (Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995). The procedure is valid
under the positive dependence between languages that are scored on shared items.

**Example.** For p = .01, .02, .03 and .50, the second comparison has q = .04: the smallest of .02 * 4/2, .03 * 4/3 and
.50.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from clt_ray.analysis.uncertainty import Floats

FALSE_DISCOVERY_RATE: Final = 0.05
"""False discovery rate of the differences that reports call significant."""


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Returns adjusted p values in the same order.

    Values that are NaN are not members of the family and stay NaN.

    Raises:
        ValueError: A p value is outside 0 to 1.
    """
    from scipy.stats import false_discovery_control  # Importing scipy.stats takes longer than most uses of the package.

    values = np.asarray(p, dtype=float)
    is_known = np.isfinite(values)
    if ((values[is_known] < 0) | (values[is_known] > 1)).any():
        raise ValueError("p values lie between 0 and 1")
    adjusted = np.full(values.shape, np.nan)
    if is_known.any():
        adjusted[is_known] = false_discovery_control(values[is_known])
    return adjusted


def add_q_values(table: pd.DataFrame, family: Sequence[str]) -> pd.DataFrame:
    """Returns the table with a column `q` after `p`: the p values adjusted within each family."""
    q = np.full(len(table), np.nan)
    for rows in table.groupby(list(family), sort=False).indices.values():
        q[rows] = benjamini_hochberg(table["p"].to_numpy()[rows])
    position = list(table.columns).index("p") + 1
    return pd.concat([table.iloc[:, :position], pd.Series(q, table.index, name="q"), table.iloc[:, position:]], axis=1)
