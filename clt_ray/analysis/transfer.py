"""Measures of cross-lingual transfer, each an estimate with its interval.

English counts neither as seen nor as unseen: it is in every mixture, and reported apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import atanh, nan, sqrt, tanh
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtr

from clt_ray.analysis.study import ENGLISH, Curve, Point, Study
from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL, NO_INTERVAL, Estimate, ResampledValue, mean

FISHER: Final = "Fisher z, Bonett-Wright variance"
_EXACT_UP_TO: Final = 8
"""Runs up to which the p value enumerates all orders (8! = 40,320)."""


@dataclass(frozen=True)
class SeenUnseen:
    """Mean scores of a point by what its runs were trained on."""

    seen: Estimate
    """Unweighted mean over the non-English training languages that were evaluated."""
    unseen: Estimate
    """Unweighted mean over the other non-English evaluation languages."""
    english: Estimate
    """Score in English."""
    gap: Estimate
    """seen - unseen, paired."""


@dataclass(frozen=True)
class Correlation:
    """Rank correlation over runs."""

    spearman: float
    """Spearman's rho; NaN with fewer than 3 runs or when one side does not vary."""
    p: float
    """Two-sided p value of no association: exact up to 8 runs without ties, else by Student's t."""
    low: float
    """Lower end of the 95% interval."""
    high: float
    """Upper end of the 95% interval."""
    n: int
    """Runs."""
    method: str
    """How the interval was made."""
    run_ids: tuple[str, ...]
    """Runs behind it."""


def languages_of(study: Study, curve: Curve, point: Point) -> tuple[str, ...]:
    """Languages in which every run of the point was scored."""
    cells = study.task_scores[curve.task]
    evaluated = [set(cells.evaluated(run_id)) for run_id in point.run_ids]
    return tuple(code for code in cells.languages if all(code in own for own in evaluated))


def relative_to_english(study: Study, curve: Curve, point: Point) -> Estimate:
    """Mean over the non-English evaluation languages / English score of the same run; 1 is no gap to English.

    NaN when a run was not scored in English, or scored 0 there.
    """
    cells = study.task_scores[curve.task]
    languages = languages_of(study, curve, point)
    others = [code for code in languages if code != ENGLISH]
    if not others or ENGLISH not in languages:
        return mean([]).estimate()
    return mean([cells.mean([run_id], others) / cells.mean([run_id], [ENGLISH]) for run_id in point.run_ids]).estimate()


def seen_unseen(study: Study, curve: Curve, point: Point) -> SeenUnseen:
    """Seen, unseen and English means of a point, and the gap between seen and unseen."""
    parts = {kind: _exposed(study, curve, point, kind) for kind in ("seen", "unseen", "english")}
    gap = parts["seen"] - parts["unseen"]
    return SeenUnseen(gap=gap.estimate(), **{kind: part.estimate() for kind, part in parts.items()})


def gain(study: Study, curve: Curve, samples_per_language: int, languages: Sequence[str] | str) -> Estimate:
    """Score at n samples per language minus score at 0, same languages, same seeds, paired by item.

    Args:
        study: The scores.
        curve: The curve to read.
        samples_per_language: n.
        languages: Codes, or "seen", "unseen" or "english"; those that were not evaluated at both points are left out.

    Raises:
        KeyError: The curve has no run at n.
        ValueError: The curve has no run at 0.
    """
    start, end = _matched(curve, samples_per_language)
    common = set(languages_of(study, curve, start)) & set(languages_of(study, curve, end))
    # A kind is compared whole: "en" is a part of the word "seen".
    if isinstance(languages, str):
        wanted = [code for code in sorted(common) if curve.exposure(code) == languages]
    else:
        wanted = [code for code in sorted(common) if code in languages]
    cells = study.task_scores[curve.task]
    return (cells.mean(end.run_ids, wanted) - cells.mean(start.run_ids, wanted)).estimate()


def transfer_correlation(study: Study, curve: Curve) -> Correlation:
    """Spearman correlation between the seen and the unseen mean over the runs of a curve, n = 0 included.

    Source of the interval: Bonett and Wright, Psychometrika 65, 2000: Fisher's z with variance (1 + rho^2/2)/(n - 3).
    """
    cells = study.task_scores[curve.task]
    pairs = []
    run_ids = []
    for point in curve.points:
        for run_id in point.run_ids:
            own = cells.evaluated(run_id)
            seen = cells.mean([run_id], [code for code in own if curve.exposure(code) == "seen"])
            unseen = cells.mean([run_id], [code for code in own if curve.exposure(code) == "unseen"])
            if np.isfinite(seen.value) and np.isfinite(unseen.value):
                pairs.append((seen.value, unseen.value))
                run_ids.append(run_id)
    n = len(pairs)
    if n < 3:
        return Correlation(nan, nan, nan, nan, n, NO_INTERVAL, tuple(run_ids))
    seen_ranks, unseen_ranks = (_ranks([pair[side] for pair in pairs]) for side in (0, 1))
    rho = _pearson(seen_ranks, unseen_ranks)
    if not np.isfinite(rho):
        return Correlation(nan, nan, nan, nan, n, NO_INTERVAL, tuple(run_ids))
    low, high = spearman_interval(rho, n)
    return Correlation(rho, spearman_p(seen_ranks, unseen_ranks), low, high, n, FISHER, tuple(run_ids))


def spearman_interval(rho: float, n: int, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Interval of a rank correlation over n pairs; (-1, 1), which says nothing, below 4.

    Fisher's z does not exist at a perfect order, which is therefore taken as if one pair of neighbours were swapped;
    the end of the interval on that side is 1.
    """
    if n < 4:
        return -1.0, 1.0
    one_swap = 1 - 12 / (n * (n * n - 1))
    inner = min(max(rho, -one_swap), one_swap)
    half = float(ndtri((1 + level) / 2)) * sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = tanh(atanh(inner) - half), tanh(atanh(inner) + half)
    return (-1.0 if rho < -one_swap else low), (1.0 if rho > one_swap else high)


def spearman_p(left: Sequence[float], right: Sequence[float]) -> float:
    """Two-sided p value of the rank correlation of two rankings.

    Exact (share of all orders at least as extreme) for up to 8 pairs, which for 3 pairs cannot be below 1/3; Student's
    t with n - 2 degrees of freedom for more.
    """
    n = len(left)
    rho = _pearson(left, right)
    if n <= _EXACT_UP_TO:
        centred = np.asarray(left) - np.mean(left)
        orders = np.array(list(permutations(np.asarray(right) - np.mean(right))))
        products = np.abs(orders @ centred)
        observed = abs(float(centred @ (np.asarray(right) - np.mean(right))))
        return float(np.mean(products >= observed - 1e-9))
    if abs(rho) >= 1:
        return 0.0
    t = abs(rho) * sqrt((n - 2) / (1 - rho**2))
    return float(2 * stdtr(n - 2, -t))


def _exposed(study: Study, curve: Curve, point: Point, kind: str) -> ResampledValue:
    cells = study.task_scores[curve.task]
    languages = [code for code in languages_of(study, curve, point) if curve.exposure(code) == kind]
    if not curve.train_languages and kind != "english":
        languages = []
    return cells.mean(point.run_ids, languages)


def _matched(curve: Curve, samples_per_language: int) -> tuple[Point, Point]:
    """The points at 0 and at n, reduced to the seeds they share if they share any."""
    end = curve.at(samples_per_language)
    start = curve.origin
    if start is None:
        raise ValueError(f"no run with n = 0 for {curve.model} {curve.task} {curve.language_group}")
    shared = set(start.seeds) & set(end.seeds) or {*start.seeds, *end.seeds}
    return _of_seeds(start, shared), _of_seeds(end, shared)


def _of_seeds(point: Point, seeds: set[int]) -> Point:
    return Point(point.samples_per_language, tuple(run for run in point.runs if run[0] in seeds))


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties sharing their mean rank; differences below rounding are ties."""
    rounded = np.round(values, 10)
    return [float((rounded < value).sum() + ((rounded == value).sum() + 1) / 2) for value in rounded]


def _pearson(left: Sequence[float], right: Sequence[float]) -> float:
    x, y = np.asarray(left) - np.mean(left), np.asarray(right) - np.mean(right)
    scale = sqrt(float(x @ x) * float(y @ y))
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 0 else nan
