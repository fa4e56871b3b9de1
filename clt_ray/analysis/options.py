"""The options among which advice chooses: one curve, judged at the number of samples that a question asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10, nan
from typing import Any, Final

import numpy as np

from clt_ray.analysis.saturation import FALLING, FLAT, NOT_SATURATING, TOO_SHORT, Plateau, Refits, Saturation
from clt_ray.analysis.study import Curve
from clt_ray.analysis.uncertainty import Floats

CONFIDENCE: Final = 0.8
"""Smallest probability of success that a recommendation must have."""
HOPELESS: Final = 0.2
"""Largest probability of reaching a target at which the target counts as out of reach."""
THOUSAND: Final = 1000


@dataclass(frozen=True)
class Quantity:
    """A quantity computed from the fit, with its 95% percentile interval, in the metric's stored unit."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, fitted: float, resampled: Floats) -> Quantity:
        """Returns the quantity from its fitted value and its values in the refits, shape (draws,)."""
        low, high = np.quantile(resampled, [0.025, 0.975])
        return cls(fitted, float(low), float(high))


@dataclass(frozen=True)
class Evidence:
    """One point of the curve on which an option is based."""

    samples_per_language: int
    score: float
    """Mean over languages and runs, in the metric's stored unit."""
    stderr: float
    """Standard error of the score from the sampling of test items; NaN where it is not known."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """One way to train for a task, at the number of samples per language that answers the question."""

    setting: str
    """`single` or `multi`."""
    mixture: str
    """Tasks that are trained together, joined by "+"."""
    language_group: str
    train_languages: tuple[str, ...]
    settled: bool
    """Whether the runs of this option answer the question."""
    why: str
    """Summary of the runs, as a clause."""
    samples_per_language: int
    """The number of samples n that answers the question; the largest n of an option that is not settled."""
    total_samples: int
    """Non-English training rows of the task over all languages."""
    score: Quantity | None
    """Expected score at n; None without a fit."""
    ceiling: Quantity | None
    """Ceiling of the fit; None without a fit."""
    within_tolerance: float
    """Probability that the score at n is within the tolerance of the ceiling; NaN without a fit."""
    reaches_target: float
    """Probability that the score at n reaches the target; NaN without a target or a fit."""
    next_thousand: Quantity | None
    """Expected gain from a thousand further non-English rows; None without a fit."""
    plateau: Plateau
    """Plateau of the fit."""
    run_noise: float
    """Run-to-run standard deviation beyond sampling error, in the metric's stored unit."""
    evidence: tuple[Evidence, ...]
    """Points of the curve."""


def option(curve: Curve, fit: Saturation, target: float | None, budget: int | None) -> Option:
    """Returns the option of a curve with its fit, at the number of samples per language that the question asks for."""
    unsettled = _unsettled_option(curve, fit)
    if fit.best is None or fit.refits is None:
        return unsettled
    languages, series = len(curve.train_languages), fit.series
    largest = series.samples[-1]
    why = _shape_of_curve(fit)
    if budget is not None:
        samples, settled = min(budget // languages, largest), True
        if budget // languages > largest:
            why += f"; the effect of more than {largest:,} per language is not known"
    else:
        needed = fit.refits.plateau(fit.tolerance) if target is None else fit.refits.samples_for(target)
        samples, reached = _fewest_samples(needed, series.samples)
        probability = float(np.mean(needed <= largest))
        settled = reached or (target is not None and probability <= HOPELESS)
        if not settled:
            goal = "within the tolerance of its ceiling" if target is None else "at the target"
            why += f"; the probability of being {goal} at n = {largest:,} is {probability:.0%}"
    return replace(
        unsettled, settled=settled, why=why, samples_per_language=samples, total_samples=samples * languages,
        **_expectations(fit, fit.best, fit.refits, samples, THOUSAND / languages, target),
    )  # fmt: skip


def _unsettled_option(curve: Curve, fit: Saturation) -> Option:
    series = fit.series
    largest = series.samples[-1] if series.samples else 0
    sizes = ", ".join(f"{n:,}" for n in series.samples) or "none with a language in common"
    why = f"{TOO_SHORT} for a fit, with runs at n = {sizes}"
    points = zip(series.samples, series.scores, series.stderr, series.runs, strict=True)
    return Option(
        setting=curve.setting, mixture=curve.mixture, language_group=curve.language_group,
        train_languages=curve.train_languages, settled=False, why=why, samples_per_language=largest,
        total_samples=largest * len(curve.train_languages), score=None, ceiling=None, within_tolerance=nan,
        reaches_target=nan, next_thousand=None, plateau=fit.plateau, run_noise=fit.noise,
        evidence=tuple(Evidence(*point) for point in points),
    )  # fmt: skip


def _expectations(
    fit: Saturation, best: Refits, refits: Refits, samples: int, more: float, target: float | None
) -> dict[str, Any]:
    score = refits.at(samples)
    return {
        "score": Quantity.of(float(best.at(samples)[0]), score),
        "ceiling": Quantity.of(float(best.ceiling[0]), refits.ceiling),
        "within_tolerance": float(np.mean(refits.ceiling - score <= fit.tolerance)),
        "reaches_target": nan if target is None else float(np.mean(score >= target)),
        "next_thousand": Quantity.of(float((best.at(samples + more) - best.at(samples))[0]),
                                     refits.at(samples + more) - score),
    }  # fmt: skip


def _fewest_samples(needed: Floats, sizes: Sequence[int]) -> tuple[int, bool]:
    """Returns the fewest samples that suffice with probability `CONFIDENCE`, and whether the series reaches them."""
    enough = float(np.quantile(needed, CONFIDENCE, method="inverted_cdf"))
    if enough > sizes[-1]:
        return sizes[-1], False
    if enough <= 0:
        return 0, True
    return min(max(_rounded_up(enough), sizes[1]), sizes[-1]), True


def _rounded_up(samples: float) -> int:
    """Rounds up to two significant digits, because more would suggest a precision that the estimate lacks."""
    unit = 10 ** max(floor(log10(samples)) - 1, 0)
    return int(ceil(samples / unit - 1e-9) * unit)


def _shape_of_curve(fit: Saturation) -> str:
    largest = fit.series.samples[-1]
    if fit.verdict == FLAT:
        return "more samples change the score by less than the tolerance"
    if fit.verdict == FALLING:
        best = fit.series.samples[int(np.argmax(fit.series.scores))]
        return f"the score falls again after n = {best:,}"
    if fit.verdict == NOT_SATURATING:
        return f"the score still rises at n = {largest:,}"
    return f"the score levels off at about n = {fit.plateau.samples:,.0f}"
