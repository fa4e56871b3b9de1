"""Tables that compare curves: their plateaus, mixed against single tasks, languages against equally many English rows.

Every estimate has its confidence interval, `n` and run ids. `q` is its p value adjusted within the task and the table.
"""

from collections.abc import Iterator
from itertools import combinations
from operator import attrgetter
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.advice import TOLERANCE
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.saturation import Series, saturation
from clt_ray.analysis.study import NON_ENGLISH, Curve, Point, Study, grouped
from clt_ray.analysis.table_columns import CURVE_COLUMNS, curve_columns, estimate_row, estimate_table
from clt_ray.analysis.uncertainty import ResampledValue
from clt_ray.languages import is_latin

_POINT: Final = (*CURVE_COLUMNS, "samples_per_language")
_task_and_languages: Final = attrgetter("model", "task", "metric", "language_group", "train_languages")


def plateau(study: Study) -> pd.DataFrame:
    """Returns where the mean non-English score of each curve levels off, one row per curve with at least two points.

    Columns: those of `CURVE_COLUMNS`; `tolerance` in the metric's stored unit; `verdict` of `saturation.Saturation`;
    `plateau`, the smallest n within the tolerance of the ceiling of the saturating fit, with `low` and `high`;
    `n`, the number of points; `run_ids`. Samples are per language, and infinite beyond the largest n of the curve.
    """
    rows = []
    for curve in study.curves:
        tolerance = TOLERANCE * study.task_scores[curve.task].metric.span
        series = Series.of(study, curve)
        if len(series.samples) < 2:
            continue
        fit = saturation(series, tolerance)
        run_ids = "+".join(run for point in series.runs for run in point)
        labels = {"tolerance": tolerance, "verdict": fit.verdict, "plateau": fit.plateau.samples}
        rows.append(curve_columns(curve) | vars(fit.plateau) | labels | {"n": len(series.samples), "run_ids": run_ids})
    columns = [*CURVE_COLUMNS, "tolerance", "verdict", "plateau", "low", "high", "n", "run_ids"]
    return pd.DataFrame(rows, columns=columns)


def interference(study: Study) -> pd.DataFrame:
    """Returns the mixed minus the single-task score at equal samples per language of the task.

    There is one row per mixed curve, number of samples that both settings have, and exposure (seen, unseen, English).
    Columns: those of `CURVE_COLUMNS`, `samples_per_language`, `exposure`, `interference` in the metric's stored unit
    (negative where mixing costs), `ESTIMATE_COLUMNS`, `p` and `q`. English samples may differ between the settings: the
    reference study has 5,000 and 10,000 per task.
    """
    single_curves = {_task_and_languages(curve): curve for curve in study.curves if curve.setting == "single"}
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        single = single_curves.get(_task_and_languages(curve))
        if curve.setting == "multi" and single is not None:
            rows += _differences("interference", study, curve, single)
    return estimate_table(rows, "exposure", "interference", of=_POINT, family=["task"])


def _points_at_equal_samples(first: Curve, second: Curve) -> list[tuple[Point, Point]]:
    """Returns the points of two curves with equal samples per language, in ascending order."""
    others = {point.samples_per_language: point for point in second.points}
    return [(point, others[n]) for point in first.points if (n := point.samples_per_language) in others]


def _differences(name: str, study: Study, curve: Curve, other: Curve) -> Iterator[dict[str, Any]]:
    """Yields rows with the mean of a curve minus that of another, where both have the n and some language."""
    for point, other_point in _points_at_equal_samples(curve, other):
        for exposure in ("seen", "unseen", "english"):
            if codes := study.languages(curve, point, other_point, among=exposure):
                difference = study.mean(curve, point, codes) - study.mean(curve, other_point, codes)
                yield estimate_row(curve, point, name, difference.estimate(), exposure=exposure)


PREFIX: Final = "english:"
"""Start of a control's language group; the number of languages that English replaces follows."""


def equal_volume(study: Study) -> pd.DataFrame:
    """Returns the score of each language group minus that of its control at equal n, per exposure.

    A run with n samples in each of k languages has n * k more training rows than one on English alone. Its control
    (group `english:k`, training language `en`) has as many more English rows, so languages and volume are separated.

    There is one row per curve with a control, n > 0 of both, and exposure (seen, unseen, English). Columns: those of
    `SERIES_COLUMNS`, `exposure`, `control` (its group), `difference` in the stored unit, `ESTIMATE_COLUMNS`, `p`, `q`.
    """
    controls = {_design(curve, curve.language_group): curve for curve in study.curves if curve.is_control}
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        control = controls.get(_design(curve, f"{PREFIX}{len(curve.train_languages)}"))
        if not curve.is_control and control is not None:
            differences = _differences("difference", study, curve, control)
            rows += [row | {"control": control.language_group} for row in differences if row["samples_per_language"]]
    return estimate_table(rows, "exposure", "control", "difference", family=["task"])


def _design(curve: Curve, group: str) -> tuple[str, ...]:
    return curve.model, curve.setting, curve.task, curve.metric, curve.mixture, group


def script_effect(study: Study) -> pd.DataFrame:
    """Returns gains by script of the evaluation language, and their interaction with the language group.

    Columns: those of `CURVE_COLUMNS`, `samples_per_language`, `effect`, `script`, `against`, `estimate` in the metric's
    stored unit, `ESTIMATE_COLUMNS`, `p`, `q`. In rows with the effect `gain`, the estimate is score(n) - score(0) in
    the evaluation languages of one script. In rows with the effect `interaction` it compares two language groups:

        (gain of the first - gain of the second group) in Latin-script languages - the same in other scripts

    The first group is the one with the larger share of Latin-script languages and `against` is the second one. A
    positive interaction means that training languages help languages of their own script more than others.
    """
    rows: list[dict[str, Any]] = []
    with_gains = [curve for curve in study.curves if _has_gains(curve)]
    for curve in with_gains:
        for point in curve.points[1:]:
            for script, gain in _gains_by_script(study, curve, point).items():
                labels = {"effect": "gain", "script": script, "against": ""}
                rows.append(estimate_row(curve, point, "estimate", gain.estimate(), **labels))
    for curves in grouped(with_gains, attrgetter("model", "setting", "task", "mixture")):
        for first, second in combinations(sorted(curves, key=_latin_share, reverse=True), 2):
            if _latin_share(first) > _latin_share(second):
                rows += _interactions(study, first, second)
    return estimate_table(rows, "effect", "script", "against", "estimate", of=_POINT, family=["task", "effect"])


def script_by_task(study: Study) -> pd.DataFrame:
    """Returns whether the difference of gains between scripts depends on the task.

    There is one row per pair of tasks of the same model, setting and language group, and per n. Columns: those of
    `CURVE_COLUMNS`, `samples_per_language`, `against` (the second task), `estimate`, `ESTIMATE_COLUMNS`, `p`, `q`. The
    estimate is (gain in Latin-script languages - gain in others) of `task` minus the same of `against`, each as a share
    of its metric's scale. Tasks have different test items, so their sampling errors are independent.
    """
    rows: list[dict[str, Any]] = []
    for curves in grouped(filter(_has_gains, study.curves), _design_over_tasks):
        for first, second in combinations(curves, 2):
            for point, other in _points_at_equal_samples(first, second)[1:]:
                advantage, against = _latin_advantage(study, first, point), _latin_advantage(study, second, other)
                if advantage is not None and against is not None:
                    difference = (advantage - against.unpaired()).estimate()
                    rows.append(estimate_row(first, point, "estimate", difference, against=second.task))
    return estimate_table(rows, "against", "estimate", of=_POINT, family=["task", "against"])


def _has_gains(curve: Curve) -> bool:
    return curve.origin is not None and curve.is_multilingual


def _design_over_tasks(curve: Curve) -> tuple[object, ...]:
    mixture = "" if curve.setting == "single" else curve.mixture
    return curve.model, curve.setting, mixture, curve.language_group, curve.train_languages


def _latin_advantage(study: Study, curve: Curve, point: Point) -> ResampledValue | None:
    gains = _gains_by_script(study, curve, point)
    return (gains["Latin"] - gains["other"]).scaled(1 / metric(curve.metric).span) if len(gains) == 2 else None


def _interactions(study: Study, first: Curve, second: Curve) -> Iterator[dict[str, Any]]:
    labels = {"effect": "interaction", "script": "Latin - other", "against": second.language_group}
    for point, other in _points_at_equal_samples(first, second)[1:]:
        gains, against = _gains_by_script(study, first, point), _gains_by_script(study, second, other)
        if len(gains) == len(against) == 2:
            interaction = (gains["Latin"] - against["Latin"]) - (gains["other"] - against["other"])
            yield estimate_row(first, point, "estimate", interaction.estimate(), **labels)


def _gains_by_script(study: Study, curve: Curve, end: Point) -> dict[str, ResampledValue]:
    start = curve.origin
    assert start is not None
    codes: dict[str, list[str]] = {"Latin": [], "other": []}
    for code in study.languages(curve, start, end, among=NON_ENGLISH):
        codes["Latin" if is_latin(code) else "other"].append(code)
    return {s: study.mean(curve, end, own) - study.mean(curve, start, own) for s, own in codes.items() if own}


def _latin_share(curve: Curve) -> float:
    return sum(map(is_latin, curve.train_languages)) / len(curve.train_languages)
