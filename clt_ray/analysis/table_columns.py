"""What the rows of all tables have in common: which runs they are about, and an estimate with its support."""

from __future__ import annotations

from typing import Any, Final

from clt_ray.analysis.study import Curve, Point
from clt_ray.analysis.uncertainty import Estimate

SERIES_COLUMNS: Final = (
    "model", "setting", "task", "mixture", "language_group", "train_languages", "samples_per_language", "seed",
    "metric",
)  # fmt: skip
"""Columns that say which runs a row is about, named as in the scores file; `seed` lists pooled seeds, joined by "+"."""
ESTIMATE_COLUMNS: Final = ("low", "high", "n", "method", "run_ids")
"""Columns of an estimate after the number itself."""


def series_columns(curve: Curve, point: Point) -> dict[str, Any]:
    """The columns of `SERIES_COLUMNS`."""
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


def estimate_columns(name: str, found: Estimate) -> dict[str, Any]:
    """The number under its name, and the columns of `ESTIMATE_COLUMNS`."""
    return {name: found.estimate, "low": found.low, "high": found.high} | support_columns(found)


def support_columns(found: Estimate) -> dict[str, Any]:
    """What an estimate rests on."""
    return {"n": found.n, "method": found.method, "run_ids": "+".join(found.run_ids)}
