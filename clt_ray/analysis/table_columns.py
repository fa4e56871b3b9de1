"""Columns that all tables share: the runs of a row, an estimate with interval and provenance, and adjusted p values."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from clt_ray.analysis.study import Curve, Point
from clt_ray.analysis.uncertainty import Estimate, Floats

SERIES_COLUMNS: Final = (
    "model", "setting", "task", "mixture", "language_group", "train_languages", "samples_per_language", "seed",
    "metric",
)  # fmt: skip
"""Columns that identify the point of a row, named as in the scores file; `seed` has the pooled seeds joined by "+"."""
CURVE_COLUMNS: Final = ("model", "setting", "task", "mixture", "language_group", "train_languages", "metric")
"""Columns that identify the curve of a row."""
ESTIMATE_COLUMNS: Final = ("low", "high", "n", "method", "run_ids")
"""Columns that follow an estimate: its 95% interval, its number of item scores, the interval's method, its runs."""


def series_columns(curve: Curve, point: Point) -> dict[str, Any]:
    """Returns the values of `SERIES_COLUMNS` for a point of a curve."""
    seeds = "+".join(map(str, point.seeds))
    return curve_columns(curve) | {"samples_per_language": point.samples_per_language, "seed": seeds}


def curve_columns(curve: Curve) -> dict[str, Any]:
    """Returns the values of `CURVE_COLUMNS`."""
    return {name: getattr(curve, name) for name in CURVE_COLUMNS} | {"train_languages": "+".join(curve.train_languages)}


def estimate_row(curve: Curve, point: Point, name: str, estimate: Estimate, **labels: object) -> dict[str, Any]:
    """Returns a row of `estimate_table`: the point, labels, the estimate in the column `name`, and its p value."""
    interval = {name: estimate.estimate, "low": estimate.low, "high": estimate.high, "p": estimate.p}
    provenance = {"n": estimate.n, "method": estimate.method, "run_ids": "+".join(estimate.run_ids)}
    return series_columns(curve, point) | labels | interval | provenance


def estimate_table(
    rows: Sequence[dict[str, Any]], *columns: str, of: Sequence[str] = SERIES_COLUMNS, family: Sequence[str] = ()
) -> pd.DataFrame:
    """Returns rows as a frame with the columns `of`, then `columns`, the last of which is the estimate's, and
    `ESTIMATE_COLUMNS`; with a family also with `p` and `q` (see `add_q_values`)."""
    table = pd.DataFrame(rows, columns=[*of, *columns, *ESTIMATE_COLUMNS, *(["p"] if family else [])])
    return add_q_values(table, family) if family else table


FALSE_DISCOVERY_RATE: Final = 0.05
"""False discovery rate of the differences that reports call significant."""


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Returns the p values, adjusted so that the false discovery rate of their family is controlled, in the same order.

    Of all comparisons in a family that are reported as different from zero, at most 5% are expected to be false
    discoveries. The adjusted p value `q` of a comparison is the smallest false discovery rate at which it is among the
    discoveries (Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995). The procedure is valid
    under the positive dependence between languages that are scored on shared items. For p = .01, .02, .03 and .50, the
    second q is .04: the smallest of .02 * 4/2, .03 * 4/3 and .50. NaN values are not members and stay NaN.

    Raises:
        ValueError: A p value is outside 0 to 1.
    """
    from scipy.stats import false_discovery_control  # Importing scipy.stats takes longer than most uses of the package.

    values = np.asarray(p, dtype=float)
    is_known = np.isfinite(values)
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
