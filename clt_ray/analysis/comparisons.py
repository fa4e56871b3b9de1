"""Comparisons of curves with each other, as frames: where they level off, mixing of tasks, scripts.

Columns that name a series are those of `tables`; every estimate has its interval, `n`, run ids, and `q`: its p value
corrected for all comparisons of the table in its task.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.discovery import with_q
from clt_ray.analysis.rows import ENDS, estimated
from clt_ray.analysis.saturation import saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.transfer import languages_of
from clt_ray.analysis.uncertainty import Sample
from clt_ray.languages import language

TOLERANCE: Final = 0.01
"""Share of a metric's scale that makes no difference when a plateau is looked for."""

_CURVE: Final = ["model", "setting", "task", "mixture", "language_group", "train_languages", "metric"]


def plateau(study: Study) -> pd.DataFrame:
    """Per curve: the smallest n within `TOLERANCE` of the fitted ceiling, and of the best run, non-English mean.

    `verdict` says whether the series levels off at all; infinite is beyond the largest n; `n` counts points.
    """
    rows = []
    for curve in study.curves:
        if len(curve.points) < 2:
            continue
        tolerance = TOLERANCE * study.cells[curve.task].metric.span
        series = Series.of(study, curve)
        if not series.samples:
            continue
        found = saturation(series, tolerance)
        rows.append(
            _named(curve)
            | {"tolerance": tolerance, "verdict": found.verdict}
            | {"plateau": found.plateau.samples, "low": found.plateau.low, "high": found.plateau.high}
            | {"best_run": found.model_free.samples}
            | {"best_run_low": found.model_free.low, "best_run_high": found.model_free.high}
            | {"n": len(series.samples), "run_ids": "+".join(run for point in series.runs for run in point)}
        )
    columns = [*_CURVE, "tolerance", "verdict", "plateau", "low", "high", "best_run", "best_run_low", "best_run_high",
               "n", "run_ids"]  # fmt: skip
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
                    cells = study.cells[curve.task]
                    found = cells.mean(mixed_point.run_ids, wanted) - cells.mean(single_point.run_ids, wanted)
                    row = {"samples_per_language": samples, "exposure": exposure}
                    rows.append(_named(curve) | row | _compared("interference", found))
    columns = [*_CURVE, "samples_per_language", "exposure", "interference", *ENDS, "p"]
    return with_q(pd.DataFrame(rows, columns=columns), ["task"])


def script_effect(study: Study) -> pd.DataFrame:
    """Language group against script of the evaluation language.

    `effect` is `gain`: score(n) - score(0) in the evaluation languages of one script; or `interaction` of two groups:
    how much more the first than the second brings languages of its scripts than it brings the others,

        (gain of first - gain of second) in Latin-script languages - the same in other scripts

    which is positive when training languages help languages of their own script, the first group being the one with
    more Latin-script languages.
    """
    rows: list[dict[str, Any]] = []
    families: dict[tuple[str, ...], list[Curve]] = {}
    for curve in study.curves:
        if curve.origin is not None and curve.train_languages and ENGLISH not in curve.train_languages:
            families.setdefault((curve.model, curve.setting, curve.task, curve.mixture), []).append(curve)
            for samples in [point.samples_per_language for point in curve.points[1:]]:
                for script, found in _gains(study, curve, samples).items():
                    row = {"samples_per_language": samples, "effect": "gain", "script": script, "against": ""}
                    rows.append(_named(curve) | row | _compared("estimate", found))
    for curves in families.values():
        for first, second in combinations(sorted(curves, key=_latin_share, reverse=True), 2):
            if _latin_share(first) > _latin_share(second):
                rows += _interactions(study, first, second)
    columns = [*_CURVE, "samples_per_language", "effect", "script", "against", "estimate", *ENDS, "p"]
    return with_q(pd.DataFrame(rows, columns=columns), ["task", "effect"])


def _interactions(study: Study, first: Curve, second: Curve) -> Iterator[dict[str, Any]]:
    shared = {p.samples_per_language for p in first.points[1:]} & {p.samples_per_language for p in second.points[1:]}
    for samples in sorted(shared):
        one, other = _gains(study, first, samples), _gains(study, second, samples)
        if len(one) == len(other) == 2:
            found = (one["Latin"] - other["Latin"]) - (one["other"] - other["other"])
            row = {"samples_per_language": samples, "effect": "interaction", "script": "Latin - other",
                   "against": second.language_group}  # fmt: skip
            yield _named(first) | row | _compared("estimate", found)


def _gains(study: Study, curve: Curve, samples: int) -> dict[str, Sample]:
    """Gain in non-English evaluation languages of Latin script and of others."""
    start, end, cells = curve.origin, curve.at(samples), study.cells[curve.task]
    assert start is not None
    both = set(languages_of(study, curve, start)) & set(languages_of(study, curve, end)) - {ENGLISH}
    groups = {
        "Latin": [c for c in sorted(both) if _is_latin(c)],
        "other": [c for c in sorted(both) if not _is_latin(c)],
    }
    return {
        script: cells.mean(end.run_ids, codes) - cells.mean(start.run_ids, codes)
        for script, codes in groups.items()
        if codes
    }


def _latin_share(curve: Curve) -> float:
    return sum(map(_is_latin, curve.train_languages)) / len(curve.train_languages)


def _is_latin(code: str) -> bool:
    return language(code).script == "Latin"


def _family(curve: Curve) -> tuple[str, ...]:
    return curve.model, curve.task, curve.metric, curve.language_group, *curve.train_languages


def _named(curve: Curve) -> dict[str, Any]:
    return {name: getattr(curve, name) for name in _CURVE} | {"train_languages": "+".join(curve.train_languages)}


def _compared(name: str, found: Sample) -> dict[str, Any]:
    known = found.estimate()
    return estimated(name, known) | {"p": known.p}
