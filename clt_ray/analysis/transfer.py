"""Measures of cross-lingual transfer of one curve or point, each an estimate with its confidence interval.

English is in every training mixture, so it counts neither as a seen nor as an unseen language and is reported apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from clt_ray.analysis.rank_correlation import FISHER, MIN_PAIRS, RankCorrelation, rank_correlation
from clt_ray.analysis.study import ENGLISH, NON_ENGLISH, Curve, Point, Study
from clt_ray.analysis.uncertainty import NO_INTERVAL, Estimate, ResampledValue, mean


@dataclass(frozen=True)
class Correlation(RankCorrelation):
    """Spearman correlation between the seen and the unseen mean over runs."""

    n: int
    """Number of runs."""
    method: str
    """Method of the interval, or `NO_INTERVAL`."""
    run_ids: tuple[str, ...]
    """Runs from which the correlation was computed."""


def relative_to_english(study: Study, curve: Curve, point: Point) -> Estimate:
    """Returns the mean non-English score divided by the English score of the same run; 1 means no gap to English.

    The ratio is computed per run and averaged over the runs of the point. It is NaN when a run was not scored in
    English, or has a score of 0 there.
    """
    task_scores = study.task_scores[curve.task]
    others = study.languages(curve, point, among=NON_ENGLISH)
    if not others or not study.languages(curve, point, among="english"):
        return mean([]).estimate()
    return mean(
        [task_scores.mean([run_id], others) / task_scores.mean([run_id], [ENGLISH]) for run_id in point.run_ids]
    ).estimate()


def seen_unseen(study: Study, curve: Curve, point: Point) -> dict[str, Estimate]:
    """Returns the estimates `seen`, `unseen`, `english` and `gap` of a point.

    The first three are mean scores over the languages of an exposure, without weights: English is neither seen nor
    unseen. The gap is the seen minus the unseen mean, paired by item.
    """
    means = {exposure: _exposure_mean(study, curve, point, exposure) for exposure in ("seen", "unseen", "english")}
    means["gap"] = means["seen"] - means["unseen"]
    return {name: value.estimate() for name, value in means.items()}


def gain(study: Study, curve: Curve, samples_per_language: int, languages: Sequence[str] | str) -> Estimate:
    """Returns the score at n samples per language minus the score at 0, for the same languages and seeds.

    The difference is paired by test item and in the metric's stored unit.

    Args:
        languages: Codes or the name of an exposure, as in `Study.languages`. Languages that were not evaluated at both
            points are left out.

    Raises:
        KeyError: The curve has no run at n.
        ValueError: The curve has no run at 0.
    """
    start, end = _points_of_common_seeds(curve, samples_per_language)
    codes = study.languages(curve, start, end, among=languages)
    return (study.mean(curve, end, codes) - study.mean(curve, start, codes)).estimate()


def transfer_correlation(study: Study, curve: Curve) -> Correlation:
    """Returns the Spearman correlation between the seen and the unseen mean over the runs of a curve, n = 0 included.

    The sources of p value and interval are given in `rank_correlation`.
    """
    means, run_ids = [], []
    for point in curve.points:
        for seed, run_id in point.runs:
            run = Point(point.samples_per_language, ((seed, run_id),))
            sides = [_exposure_mean(study, curve, run, exposure).value for exposure in ("seen", "unseen")]
            if np.isfinite(sides).all():
                means.append(sides)
                run_ids.append(run_id)
    n = len(run_ids)
    result = rank_correlation(*np.array(means).T) if n >= MIN_PAIRS else RankCorrelation(nan, nan, nan, nan)
    method = FISHER if np.isfinite(result.spearman) else NO_INTERVAL
    return Correlation(**vars(result), n=n, method=method, run_ids=tuple(run_ids))


def _exposure_mean(study: Study, curve: Curve, point: Point, exposure: str) -> ResampledValue:
    is_defined = curve.train_languages or exposure == "english"
    return study.mean(curve, point, study.languages(curve, point, among=exposure) if is_defined else [])


def _points_of_common_seeds(curve: Curve, samples_per_language: int) -> tuple[Point, Point]:
    end = curve.at(samples_per_language)
    start = curve.origin
    if start is None:
        raise ValueError(f"no run with n = 0 for {curve.model} {curve.task} {curve.language_group}")
    seeds = set(start.seeds) & set(end.seeds) or {*start.seeds, *end.seeds}
    return _with_seeds(start, seeds), _with_seeds(end, seeds)


def _with_seeds(point: Point, seeds: set[int]) -> Point:
    return Point(point.samples_per_language, tuple(run for run in point.runs if run[0] in seeds))
