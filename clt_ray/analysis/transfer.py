"""Measures of cross-lingual transfer of one curve or point, each an estimate with its confidence interval.

English is in every training mixture, so it counts neither as a seen nor as an unseen language and is reported apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from clt_ray.analysis.rank_correlation import FISHER, MIN_PAIRS, rank_correlation
from clt_ray.analysis.study import ENGLISH, Curve, Point, Study
from clt_ray.analysis.uncertainty import NO_INTERVAL, Estimate, ResampledValue, mean


@dataclass(frozen=True)
class SeenUnseen:
    """Mean scores of a point in seen, unseen and English evaluation data."""

    seen: Estimate
    """Unweighted mean over the non-English training languages in which the runs were evaluated."""
    unseen: Estimate
    """Unweighted mean over the other non-English evaluation languages."""
    english: Estimate
    """Score in English."""
    gap: Estimate
    """Seen minus unseen mean, paired by item."""


@dataclass(frozen=True)
class Correlation:
    """Spearman correlation between the seen and the unseen mean over runs."""

    spearman: float
    """Spearman's rho; NaN with fewer than 3 runs or when one of the means does not vary."""
    p: float
    """Two-sided p value of no association: exact up to 8 runs, by Student's t test beyond."""
    low: float
    high: float
    """`low` and `high` are the ends of the 95% confidence interval."""
    n: int
    """Number of runs."""
    method: str
    """Method of the interval, or `NO_INTERVAL`."""
    run_ids: tuple[str, ...]
    """Runs from which the correlation was computed."""


def languages_of(study: Study, curve: Curve, point: Point) -> tuple[str, ...]:
    """Returns the languages in which every run of the point was scored."""
    task_scores = study.task_scores[curve.task]
    evaluated = [set(task_scores.evaluated(run_id)) for run_id in point.run_ids]
    return tuple(code for code in task_scores.languages if all(code in codes for codes in evaluated))


def relative_to_english(study: Study, curve: Curve, point: Point) -> Estimate:
    """Returns the mean non-English score divided by the English score of the same run; 1 means no gap to English.

    The ratio is computed per run and averaged over the runs of the point. It is NaN when a run was not scored in
    English, or has a score of 0 there.
    """
    task_scores = study.task_scores[curve.task]
    languages = languages_of(study, curve, point)
    others = [code for code in languages if code != ENGLISH]
    if not others or ENGLISH not in languages:
        return mean([]).estimate()
    return mean(
        [task_scores.mean([run_id], others) / task_scores.mean([run_id], [ENGLISH]) for run_id in point.run_ids]
    ).estimate()


def seen_unseen(study: Study, curve: Curve, point: Point) -> SeenUnseen:
    """Returns the seen, unseen and English means of a point, and the gap between seen and unseen."""
    means = {exposure: _exposure_mean(study, curve, point, exposure) for exposure in ("seen", "unseen", "english")}
    gap = means["seen"] - means["unseen"]
    return SeenUnseen(gap=gap.estimate(), **{exposure: value.estimate() for exposure, value in means.items()})


def gain(study: Study, curve: Curve, samples_per_language: int, languages: Sequence[str] | str) -> Estimate:
    """Returns the score at n samples per language minus the score at 0, for the same languages and seeds.

    The difference is paired by test item and in the metric's stored unit.

    Args:
        languages: Language codes, or "seen", "unseen" or "english". Languages that were not evaluated at both points
            are left out.

    Raises:
        KeyError: The curve has no run at n.
        ValueError: The curve has no run at 0.
    """
    start, end = _points_of_common_seeds(curve, samples_per_language)
    common = set(languages_of(study, curve, start)) & set(languages_of(study, curve, end))
    # A string names an exposure. It must not reach the membership test below, where "en" is a part of "seen".
    if isinstance(languages, str):
        codes = [code for code in sorted(common) if curve.exposure(code) == languages]
    else:
        codes = [code for code in sorted(common) if code in languages]
    task_scores = study.task_scores[curve.task]
    return (task_scores.mean(end.run_ids, codes) - task_scores.mean(start.run_ids, codes)).estimate()


def transfer_correlation(study: Study, curve: Curve) -> Correlation:
    """Returns the Spearman correlation between the seen and the unseen mean over the runs of a curve, n = 0 included.

    The sources of p value and interval are given in `rank_correlation`.
    """
    task_scores = study.task_scores[curve.task]
    seen_means, unseen_means, run_ids = [], [], []
    for point in curve.points:
        for run_id in point.run_ids:
            evaluated = task_scores.evaluated(run_id)
            seen = task_scores.mean([run_id], [code for code in evaluated if curve.exposure(code) == "seen"])
            unseen = task_scores.mean([run_id], [code for code in evaluated if curve.exposure(code) == "unseen"])
            if np.isfinite(seen.value) and np.isfinite(unseen.value):
                seen_means.append(seen.value)
                unseen_means.append(unseen.value)
                run_ids.append(run_id)
    n = len(run_ids)
    if n < MIN_PAIRS:
        return Correlation(nan, nan, nan, nan, n, NO_INTERVAL, tuple(run_ids))
    result = rank_correlation(seen_means, unseen_means)
    method = FISHER if np.isfinite(result.spearman) else NO_INTERVAL
    return Correlation(result.spearman, result.p, result.low, result.high, n, method, tuple(run_ids))


def _exposure_mean(study: Study, curve: Curve, point: Point, exposure: str) -> ResampledValue:
    languages = [code for code in languages_of(study, curve, point) if curve.exposure(code) == exposure]
    if not curve.train_languages and exposure != "english":
        languages = []
    return study.task_scores[curve.task].mean(point.run_ids, languages)


def _points_of_common_seeds(curve: Curve, samples_per_language: int) -> tuple[Point, Point]:
    end = curve.at(samples_per_language)
    start = curve.origin
    if start is None:
        raise ValueError(f"no run with n = 0 for {curve.model} {curve.task} {curve.language_group}")
    seeds = set(start.seeds) & set(end.seeds) or {*start.seeds, *end.seeds}
    return _with_seeds(start, seeds), _with_seeds(end, seeds)


def _with_seeds(point: Point, seeds: set[int]) -> Point:
    return Point(point.samples_per_language, tuple(run for run in point.runs if run[0] in seeds))
