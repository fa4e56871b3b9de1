"""Measures of cross-lingual transfer of one curve or point, each an estimate with its confidence interval.

English is in every training mixture, so it counts neither as a seen nor as an unseen language and is reported apart.
"""

from collections.abc import Sequence

import numpy as np

from clt_ray.analysis.rank_correlation import RankCorrelation, rank_correlation
from clt_ray.analysis.study import ENGLISH, NON_ENGLISH, Curve, Point, Study
from clt_ray.analysis.uncertainty import Estimate, ResampledValue, mean


def relative_to_english(study: Study, curve: Curve, point: Point) -> Estimate:
    """Returns the mean non-English score divided by the English score of the same run; 1 means no gap to English.

    It is the mean of the runs' ratios; NaN when a run was not scored in English, or has a score of 0 there.
    """
    task_scores = study.task_scores[curve.task]
    others = study.languages(curve, point, among=NON_ENGLISH)
    if not others or not study.languages(curve, point, among="english"):
        return mean([]).estimate()
    ratios = [task_scores.mean([run], others) / task_scores.mean([run], [ENGLISH]) for run in point.run_ids]
    return mean(ratios).estimate()


def seen_unseen(study: Study, curve: Curve, point: Point) -> dict[str, Estimate]:
    """Returns the estimates `seen`, `unseen`, `english` and `gap` of a point.

    The first three are unweighted means over the languages of an exposure. The gap is seen minus unseen, by item.
    """
    means = {exposure: _exposure_mean(study, curve, point, exposure) for exposure in ("seen", "unseen", "english")}
    means["gap"] = means["seen"] - means["unseen"]
    return {name: value.estimate() for name, value in means.items()}


def gain(study: Study, curve: Curve, samples_per_language: int, languages: Sequence[str] | str) -> Estimate:
    """Returns the score at n samples per language minus the score at 0, for the same languages and seeds.

    The difference is paired by test item and in the metric's stored unit.

    Args:
        languages: Codes or an exposure, as in `Study.languages`; those not evaluated at both points are left out.

    Raises:
        KeyError: The curve has no run at n.
        ValueError: The curve has no run at 0.
    """
    start, end = curve.origin, curve.at(samples_per_language)
    if start is None:
        raise ValueError(f"no run with n = 0 for {curve.model} {curve.task} {curve.language_group}")
    if seeds := set(start.seeds) & set(end.seeds):
        start, end = (Point(p.samples_per_language, tuple(r for r in p.runs if r[0] in seeds)) for p in (start, end))
    codes = study.languages(curve, start, end, among=languages)
    return (study.mean(curve, end, codes) - study.mean(curve, start, codes)).estimate()


def transfer_correlation(study: Study, curve: Curve) -> tuple[RankCorrelation, tuple[str, ...]]:
    """Returns the Spearman correlation between the seen and the unseen mean over the runs of a curve, n = 0 included.

    The sources of p value and interval are given in `rank_correlation`; the second value are the ids of the runs.
    """
    means, run_ids = [], []
    for point in curve.points:
        for seed, run_id in point.runs:
            run = Point(point.samples_per_language, ((seed, run_id),))
            sides = [_exposure_mean(study, curve, run, exposure).value for exposure in ("seen", "unseen")]
            if np.isfinite(sides).all():
                means.append(sides)
                run_ids.append(run_id)
    return rank_correlation(*np.array(means, dtype=float).reshape(-1, 2).T), tuple(run_ids)


def _exposure_mean(study: Study, curve: Curve, point: Point, exposure: str) -> ResampledValue:
    is_defined = curve.train_languages or exposure == "english"
    return study.mean(curve, point, study.languages(curve, point, among=exposure) if is_defined else [])
