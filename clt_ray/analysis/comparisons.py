"""Tables that compare curves: their plateaus, mixed against single tasks, languages against equally many English rows.

Every estimate has its confidence interval, `n` and run ids. `q` is its p value adjusted for all comparisons of the same
task in the table (see `false_discovery`).
"""

from typing import Any, Final

import pandas as pd

from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.saturation import saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns
from clt_ray.analysis.transfer import languages_of
from clt_ray.analysis.uncertainty import ResampledValue

TOLERANCE: Final = 0.01
"""Share of a metric's scale below which differences count as none when a plateau is determined."""

CURVE_COLUMNS: Final = ["model", "setting", "task", "mixture", "language_group", "train_languages", "metric"]
"""Columns that identify the curve of a row."""


def plateau(study: Study) -> pd.DataFrame:
    """Returns where the mean non-English score of each curve levels off, one row per curve with at least two points.

    Columns: those of `CURVE_COLUMNS`; `tolerance` in the metric's stored unit; `verdict` of `saturation.Saturation`;
    `plateau`, the smallest n within the tolerance of the ceiling of the saturating fit, with `low` and `high`;
    `best_run`, the smallest n within the tolerance of the best run, with `best_run_low` and `best_run_high`; `n`, the
    number of points; `run_ids`. Samples are per language, and infinite beyond the largest n of the curve.
    """
    rows = []
    for curve in study.curves:
        if len(curve.points) < 2:
            continue
        tolerance = TOLERANCE * study.task_scores[curve.task].metric.span
        series = Series.of(study, curve)
        if not series.samples:
            continue
        fit = saturation(series, tolerance)
        rows.append(
            curve_columns(curve)
            | {"tolerance": tolerance, "verdict": fit.verdict}
            | {"plateau": fit.plateau.samples, "low": fit.plateau.low, "high": fit.plateau.high}
            | {"best_run": fit.model_free.samples}
            | {"best_run_low": fit.model_free.low, "best_run_high": fit.model_free.high}
            | {"n": len(series.samples), "run_ids": "+".join(run for point in series.runs for run in point)}
        )
    columns = [*CURVE_COLUMNS, "tolerance", "verdict", "plateau", "low", "high", "best_run", "best_run_low",
               "best_run_high", "n", "run_ids"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def interference(study: Study) -> pd.DataFrame:
    """Returns the mixed minus the single-task score at equal samples per language of the task.

    There is one row per mixed curve, number of samples that both settings have, and exposure (seen, unseen, English).
    Columns: those of `CURVE_COLUMNS`, `samples_per_language`, `exposure`, `interference` in the metric's stored unit
    (negative where mixing costs), `ESTIMATE_COLUMNS`, `p` and `q`. The number of English samples may differ between the
    two settings, as in the reference study (5,000 and 10,000 per task).
    """
    rows = []
    single_curves = {_task_and_languages(curve): curve for curve in study.curves if curve.setting == "single"}
    for curve in study.curves:
        single = single_curves.get(_task_and_languages(curve))
        if curve.setting != "multi" or single is None:
            continue
        task_scores = study.task_scores[curve.task]
        for samples in sorted(_sizes(curve) & _sizes(single)):
            mixed_point, single_point = curve.at(samples), single.at(samples)
            common = set(languages_of(study, curve, mixed_point)) & set(languages_of(study, single, single_point))
            for exposure in ("seen", "unseen", "english"):
                codes = [code for code in sorted(common) if curve.exposure(code) == exposure]
                if codes:
                    difference = task_scores.mean(mixed_point.run_ids, codes) - task_scores.mean(
                        single_point.run_ids, codes
                    )
                    comparison = {"samples_per_language": samples, "exposure": exposure}
                    rows.append(curve_columns(curve) | comparison | difference_columns("interference", difference))
    columns = [*CURVE_COLUMNS, "samples_per_language", "exposure", "interference", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task"])


def _sizes(curve: Curve) -> set[int]:
    return {point.samples_per_language for point in curve.points}


def _task_and_languages(curve: Curve) -> tuple[str, ...]:
    return curve.model, curve.task, curve.metric, curve.language_group, *curve.train_languages


def curve_columns(curve: Curve) -> dict[str, Any]:
    """Returns the values of `CURVE_COLUMNS`."""
    return {name: getattr(curve, name) for name in CURVE_COLUMNS} | {"train_languages": "+".join(curve.train_languages)}


def difference_columns(name: str, difference: ResampledValue) -> dict[str, Any]:
    """Returns a difference in the column `name`, the values of `ESTIMATE_COLUMNS`, and its p value in column `p`."""
    estimate = difference.estimate()
    return estimate_columns(name, estimate) | {"p": estimate.p}


PREFIX: Final = "english:"
"""Start of a control's language group; the number of languages that English replaces follows."""


def equal_volume(study: Study) -> pd.DataFrame:
    """Returns the score of each language group minus that of its control at equal n, per exposure.

    A run with n samples in each of k languages has n * k more training rows than a run on English alone. Its control
    (language group `english:k`, training language `en`) has as many additional English rows instead. The difference is
    the effect of the languages, separated from that of more data.

    There is one row per curve with a control, n > 0 that both have, and exposure (seen, unseen, English). Columns:
    those of `SERIES_COLUMNS`, `exposure`, `control` (its language group), `difference` in the metric's stored unit,
    `ESTIMATE_COLUMNS`, `p`, `q`.
    """
    controls = {_design(curve, curve.language_group): curve for curve in study.curves if is_control(curve)}
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        control = controls.get(_design(curve, f"{PREFIX}{len(curve.train_languages)}"))
        if is_control(curve) or control is None:
            continue
        task_scores = study.task_scores[curve.task]
        control_points = {point.samples_per_language: point for point in control.points if point.samples_per_language}
        for point in curve.points:
            control_point = control_points.get(point.samples_per_language)
            if control_point is None:
                continue
            common = set(languages_of(study, curve, point)) & set(languages_of(study, control, control_point))
            for exposure in ("seen", "unseen", "english"):
                codes = [code for code in sorted(common) if curve.exposure(code) == exposure]
                if codes:
                    group_mean = task_scores.mean(point.run_ids, codes)
                    difference = (group_mean - task_scores.mean(control_point.run_ids, codes)).estimate()
                    labels = {"exposure": exposure, "control": control.language_group}
                    columns = estimate_columns("difference", difference) | {"p": difference.p}
                    rows.append(series_columns(curve, point) | labels | columns)
    columns_in_order = [*SERIES_COLUMNS, "exposure", "control", "difference", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns_in_order), ["task"])


def is_control(curve: Curve) -> bool:
    """Returns whether the curve's runs train on additional English rows instead of other languages."""
    return curve.train_languages == (ENGLISH,)


def _design(curve: Curve, group: str) -> tuple[str, ...]:
    return curve.model, curve.setting, curve.task, curve.metric, curve.mixture, group
