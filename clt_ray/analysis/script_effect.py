"""Tables about scripts: gains by script of the evaluation language, and whether they depend on the training languages.

Evaluation languages are divided into those written in Latin script and others; English is in neither group.
"""

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
    """Returns gains by script of the evaluation language, and their interaction with the language group.

    Columns: those of `CURVE_COLUMNS`, `samples_per_language`, `effect`, `script`, `against`, `estimate` in the metric's
    stored unit, `ESTIMATE_COLUMNS`, `p`, `q`. In rows with the effect `gain`, the estimate is score(n) - score(0) in
    the evaluation languages of one script. In rows with the effect `interaction` it compares two language groups:

        (gain of the first - gain of the second group) in Latin-script languages - the same in other scripts

    The first group is the one with the larger share of Latin-script languages and `against` is the second one. A
    positive interaction means that training languages help languages of their own script more than others.
    """
    rows: list[dict[str, Any]] = []
    designs: dict[tuple[str, ...], list[Curve]] = {}
    for curve in filter(_has_gains, study.curves):
        designs.setdefault((curve.model, curve.setting, curve.task, curve.mixture), []).append(curve)
        for point in curve.points[1:]:
            for script, gain in _gains_by_script(study, curve, point.samples_per_language).items():
                labels = {"samples_per_language": point.samples_per_language, "effect": "gain"}
                labels |= {"script": script, "against": ""}
                rows.append(curve_columns(curve) | labels | difference_columns("estimate", gain))
    for curves in designs.values():
        for first, second in combinations(sorted(curves, key=_latin_share, reverse=True), 2):
            if _latin_share(first) > _latin_share(second):
                rows += _interactions(study, first, second)
    columns = [*CURVE_COLUMNS, "samples_per_language", "effect", "script", "against", "estimate", *ESTIMATE_COLUMNS]
    return add_q_values(pd.DataFrame(rows, columns=[*columns, "p"]), ["task", "effect"])


def script_by_task(study: Study) -> pd.DataFrame:
    """Returns whether the difference of gains between scripts depends on the task.

    There is one row per pair of tasks of the same model, setting and language group, and per n. Columns: those of
    `CURVE_COLUMNS`, `samples_per_language`, `against` (the second task), `estimate`, `ESTIMATE_COLUMNS`, `p`, `q`. The
    estimate is (gain in Latin-script languages - gain in others) of `task` minus the same of `against`, each as a share
    of its metric's scale. Tasks have different test items, so their sampling errors are independent.
    """
    rows: list[dict[str, Any]] = []
    designs: dict[tuple[str, ...], list[Curve]] = {}
    for curve in filter(_has_gains, study.curves):
        mixture = "" if curve.setting == "single" else curve.mixture
        key = (curve.model, curve.setting, mixture, curve.language_group, *curve.train_languages)
        designs.setdefault(key, []).append(curve)
    for curves in designs.values():
        for first, second in combinations(curves, 2):
            for samples in _common_sizes(first, second):
                first_advantage = _latin_advantage(study, first, samples)
                second_advantage = _latin_advantage(study, second, samples)
                if first_advantage is not None and second_advantage is not None:
                    labels = {"samples_per_language": samples, "against": second.task}
                    difference = first_advantage - second_advantage.unpaired()
                    rows.append(curve_columns(first) | labels | difference_columns("estimate", difference))
    columns = [*CURVE_COLUMNS, "samples_per_language", "against", "estimate", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task", "against"])


def _has_gains(curve: Curve) -> bool:
    return curve.origin is not None and bool(curve.train_languages) and ENGLISH not in curve.train_languages


def _common_sizes(first: Curve, second: Curve) -> list[int]:
    sizes = [{point.samples_per_language for point in curve.points[1:]} for curve in (first, second)]
    return sorted(sizes[0] & sizes[1])


def _latin_advantage(study: Study, curve: Curve, samples: int) -> ResampledValue | None:
    gains = _gains_by_script(study, curve, samples)
    return (gains["Latin"] - gains["other"]).scaled(1 / metric(curve.metric).span) if len(gains) == 2 else None


def _interactions(study: Study, first: Curve, second: Curve) -> Iterator[dict[str, Any]]:
    for samples in _common_sizes(first, second):
        gains, against = _gains_by_script(study, first, samples), _gains_by_script(study, second, samples)
        if len(gains) == len(against) == 2:
            interaction = (gains["Latin"] - against["Latin"]) - (gains["other"] - against["other"])
            labels = {"samples_per_language": samples, "effect": "interaction", "script": "Latin - other",
                      "against": second.language_group}  # fmt: skip
            yield curve_columns(first) | labels | difference_columns("estimate", interaction)


def _gains_by_script(study: Study, curve: Curve, samples: int) -> dict[str, ResampledValue]:
    start, end, task_scores = curve.origin, curve.at(samples), study.task_scores[curve.task]
    assert start is not None
    common = set(languages_of(study, curve, start)) & set(languages_of(study, curve, end)) - {ENGLISH}
    codes_by_script = {
        "Latin": [code for code in sorted(common) if _is_latin(code)],
        "other": [code for code in sorted(common) if not _is_latin(code)],
    }
    return {
        script: task_scores.mean(end.run_ids, codes) - task_scores.mean(start.run_ids, codes)
        for script, codes in codes_by_script.items()
        if codes
    }


def _latin_share(curve: Curve) -> float:
    return sum(map(_is_latin, curve.train_languages)) / len(curve.train_languages)


def _is_latin(code: str) -> bool:
    return language(code).script == "Latin"
