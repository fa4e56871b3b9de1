"""Scripts as frames: what a language group brings languages of its own script, and whether that differs by task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from clt_ray.analysis.comparisons import CURVE_COLUMNS, curve_columns, difference_columns
from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS
from clt_ray.analysis.transfer import languages_of
from clt_ray.analysis.uncertainty import ResampledValue
from clt_ray.languages import language


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
                    rows.append(curve_columns(curve) | row | difference_columns("estimate", found))
    for curves in families.values():
        for first, second in combinations(sorted(curves, key=_latin_share, reverse=True), 2):
            if _latin_share(first) > _latin_share(second):
                rows += _interactions(study, first, second)
    columns = [
        *CURVE_COLUMNS,
        "samples_per_language",
        "effect",
        "script",
        "against",
        "estimate",
        *ESTIMATE_COLUMNS,
        "p",
    ]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task", "effect"])


def script_by_task(study: Study) -> pd.DataFrame:
    """Whether what scripts gain differs between two tasks of one design, per group of languages and n.

    `estimate` is (gain in Latin-script languages - gain in others) in `task` minus the same in `against`, each as a
    share of its metric's scale. Tasks have items of their own, so their errors are independent.
    """
    rows: list[dict[str, Any]] = []
    designs: dict[tuple[str, ...], list[Curve]] = {}
    for curve in study.curves:
        if curve.origin is not None and curve.train_languages and ENGLISH not in curve.train_languages:
            mixture = "" if curve.setting == "single" else curve.mixture
            key = (curve.model, curve.setting, mixture, curve.language_group, *curve.train_languages)
            designs.setdefault(key, []).append(curve)
    for curves in designs.values():
        for first, second in combinations(curves, 2):
            shared = {p.samples_per_language for p in first.points[1:]}
            for samples in sorted(shared & {p.samples_per_language for p in second.points[1:]}):
                one, other = _advantage(study, first, samples), _advantage(study, second, samples)
                if one is not None and other is not None:
                    row = {"samples_per_language": samples, "against": second.task}
                    rows.append(curve_columns(first) | row | difference_columns("estimate", one - other.unpaired()))
    columns = [*CURVE_COLUMNS, "samples_per_language", "against", "estimate", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task", "against"])


def _advantage(study: Study, curve: Curve, samples: int) -> ResampledValue | None:
    """Gain in Latin-script languages minus gain in others, as a share of the metric's scale."""
    gains = _gains(study, curve, samples)
    return (gains["Latin"] - gains["other"]).scaled(1 / metric(curve.metric).span) if len(gains) == 2 else None


def _interactions(study: Study, first: Curve, second: Curve) -> Iterator[dict[str, Any]]:
    shared = {p.samples_per_language for p in first.points[1:]} & {p.samples_per_language for p in second.points[1:]}
    for samples in sorted(shared):
        one, other = _gains(study, first, samples), _gains(study, second, samples)
        if len(one) == len(other) == 2:
            found = (one["Latin"] - other["Latin"]) - (one["other"] - other["other"])
            row = {"samples_per_language": samples, "effect": "interaction", "script": "Latin - other",
                   "against": second.language_group}  # fmt: skip
            yield curve_columns(first) | row | difference_columns("estimate", found)


def _gains(study: Study, curve: Curve, samples: int) -> dict[str, ResampledValue]:
    """Gain in non-English evaluation languages of Latin script and of others."""
    start, end, cells = curve.origin, curve.at(samples), study.task_scores[curve.task]
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
