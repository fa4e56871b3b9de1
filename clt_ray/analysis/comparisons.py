"""Comparisons of curves with each other, as frames: where they level off, mixing of tasks.

Columns that name a series are those of `tables`; every estimate has its interval, `n`, run ids, and `q`: its p value
corrected for all comparisons of the table in its task.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.saturation import saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import Curve, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, estimate_columns
from clt_ray.analysis.transfer import languages_of
from clt_ray.analysis.uncertainty import ResampledValue

TOLERANCE: Final = 0.01
"""Share of a metric's scale that makes no difference when a plateau is looked for."""

CURVE_COLUMNS: Final = ["model", "setting", "task", "mixture", "language_group", "train_languages", "metric"]
"""Columns that say which curve a row is about."""


def plateau(study: Study) -> pd.DataFrame:
    """Per curve: the smallest n within `TOLERANCE` of the fitted ceiling, and of the best run, non-English mean.

    `verdict` says whether the series levels off at all; infinite is beyond the largest n; `n` counts points.
    """
    rows = []
    for curve in study.curves:
        if len(curve.points) < 2:
            continue
        tolerance = TOLERANCE * study.task_scores[curve.task].metric.span
        series = Series.of(study, curve)
        if not series.samples:
            continue
        found = saturation(series, tolerance)
        rows.append(
            curve_columns(curve)
            | {"tolerance": tolerance, "verdict": found.verdict}
            | {"plateau": found.plateau.samples, "low": found.plateau.low, "high": found.plateau.high}
            | {"best_run": found.model_free.samples}
            | {"best_run_low": found.model_free.low, "best_run_high": found.model_free.high}
            | {"n": len(series.samples), "run_ids": "+".join(run for point in series.runs for run in point)}
        )
    columns = [*CURVE_COLUMNS, "tolerance", "verdict", "plateau", "low", "high", "best_run", "best_run_low",
               "best_run_high", "n", "run_ids"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def interference(study: Study) -> pd.DataFrame:
    """Mixed minus single-task score at the same samples per language of the task, per group of languages.

    English samples may differ between the two designs, as they do in the reference study (5,000 and 10,000 per task).
    """
    rows = []
    single = {_family(curve): curve for curve in study.curves if curve.setting == "single"}
    for curve in study.curves:
        alone = single.get(_family(curve))
        if curve.setting != "multi" or alone is None:
            continue
        shared = sorted({p.samples_per_language for p in curve.points} & {p.samples_per_language for p in alone.points})
        for samples in shared:
            mixed_point, single_point = curve.at(samples), alone.at(samples)
            both = set(languages_of(study, curve, mixed_point)) & set(languages_of(study, alone, single_point))
            for exposure in ("seen", "unseen", "english"):
                wanted = [code for code in sorted(both) if curve.exposure(code) == exposure]
                if wanted:
                    cells = study.task_scores[curve.task]
                    found = cells.mean(mixed_point.run_ids, wanted) - cells.mean(single_point.run_ids, wanted)
                    row = {"samples_per_language": samples, "exposure": exposure}
                    rows.append(curve_columns(curve) | row | difference_columns("interference", found))
    columns = [*CURVE_COLUMNS, "samples_per_language", "exposure", "interference", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task"])


def _family(curve: Curve) -> tuple[str, ...]:
    return curve.model, curve.task, curve.metric, curve.language_group, *curve.train_languages


def curve_columns(curve: Curve) -> dict[str, Any]:
    """The columns of `CURVE_COLUMNS`."""
    return {name: getattr(curve, name) for name in CURVE_COLUMNS} | {"train_languages": "+".join(curve.train_languages)}


def difference_columns(name: str, found: ResampledValue) -> dict[str, Any]:
    """A difference with its support and its p value."""
    known = found.estimate()
    return estimate_columns(name, known) | {"p": known.p}
