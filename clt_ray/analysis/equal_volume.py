"""Languages or volume: a language group against as many extra English rows.

A run with n samples in each of k languages has n * k rows more than one with English alone. Its control (language
group `english:k`, trained on `en`) has as many English rows instead, so the difference is what the languages bring and
the volume does not.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns
from clt_ray.analysis.transfer import languages_of

PREFIX: Final = "english:"
"""Start of a control's language group; the number of languages that English replaces follows."""


def equal_volume(study: Study) -> pd.DataFrame:
    """Per curve with a control, n and kind of language: score of the group minus score of the control of equal n."""
    controls = {_design(curve, curve.language_group): curve for curve in study.curves if is_control(curve)}
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        control = controls.get(_design(curve, f"{PREFIX}{len(curve.train_languages)}"))
        if is_control(curve) or control is None:
            continue
        cells = study.task_scores[curve.task]
        others = {point.samples_per_language: point for point in control.points if point.samples_per_language}
        for point in curve.points:
            other = others.get(point.samples_per_language)
            if other is None:
                continue
            both = set(languages_of(study, curve, point)) & set(languages_of(study, control, other))
            for exposure in ("seen", "unseen", "english"):
                wanted = [code for code in sorted(both) if curve.exposure(code) == exposure]
                if wanted:
                    found = (cells.mean(point.run_ids, wanted) - cells.mean(other.run_ids, wanted)).estimate()
                    about = {"exposure": exposure, "control": control.language_group}
                    rows.append(
                        series_columns(curve, point) | about | estimate_columns("difference", found) | {"p": found.p}
                    )
    columns = [*SERIES_COLUMNS, "exposure", "control", "difference", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task"])


def is_control(curve: Curve) -> bool:
    """Whether the curve's runs train on extra English instead of other languages."""
    return curve.train_languages == (ENGLISH,)


def _design(curve: Curve, group: str) -> tuple[str, ...]:
    return curve.model, curve.setting, curve.task, curve.metric, curve.mixture, group
