"""Columns that all tables share: which runs a row is about, and an estimate with its interval and provenance."""

from typing import Any, Final

from clt_ray.analysis.study import Curve, Point
from clt_ray.analysis.uncertainty import Estimate

SERIES_COLUMNS: Final = (
    "model", "setting", "task", "mixture", "language_group", "train_languages", "samples_per_language", "seed",
    "metric",
)  # fmt: skip
"""Columns that identify the point of a row, named as in the scores file; `seed` lists the seeds of the pooled runs,
joined by "+"."""
ESTIMATE_COLUMNS: Final = ("low", "high", "n", "method", "run_ids")
"""Columns that follow an estimate: its 95% confidence interval, the number of item scores, the method of the interval,
and the runs."""


def series_columns(curve: Curve, point: Point) -> dict[str, Any]:
    """Returns the values of `SERIES_COLUMNS` for a point of a curve."""
    return {
        "model": curve.model,
        "setting": curve.setting,
        "task": curve.task,
        "mixture": curve.mixture,
        "language_group": curve.language_group,
        "train_languages": "+".join(curve.train_languages),
        "samples_per_language": point.samples_per_language,
        "seed": "+".join(str(seed) for seed in point.seeds),
        "metric": curve.metric,
    }


def estimate_columns(name: str, estimate: Estimate) -> dict[str, Any]:
    """Returns the point estimate in the column `name`, and the values of `ESTIMATE_COLUMNS`."""
    return {name: estimate.estimate, "low": estimate.low, "high": estimate.high} | provenance_columns(estimate)


def provenance_columns(estimate: Estimate) -> dict[str, Any]:
    """Returns what an estimate is based on: the columns `n`, `method` and `run_ids`."""
    return {"n": estimate.n, "method": estimate.method, "run_ids": "+".join(estimate.run_ids)}
