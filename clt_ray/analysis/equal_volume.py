"""Compares a language group with an equal volume of additional English rows.

A run with n samples in each of k languages has n * k more training rows than a run on English alone. Its equal-volume
control (language group `english:k`, training language `en`) has as many additional English rows instead. The difference
of the two is the effect of the languages, separated from the effect of more data.
"""

from typing import Any, Final

import pandas as pd

from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns
from clt_ray.analysis.transfer import languages_of

PREFIX: Final = "english:"
"""Start of a control's language group; the number of languages that English replaces follows."""


def equal_volume(study: Study) -> pd.DataFrame:
    """Returns the score of each language group minus that of its control at equal n, per exposure.

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
