"""One way to train for a task, and what its runs say of it: the options among which advice chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10, nan
from typing import Any, Final

import numpy as np

from clt_ray.analysis.saturation import (
    FALLING,
    FLAT,
    NOT_SATURATING,
    TOO_SHORT,
    Plateau,
    Refits,
    Saturation,
)
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import Curve
from clt_ray.analysis.uncertainty import Floats

CONFIDENCE: Final = 0.8
"""Odds that a recommendation has to have."""
HOPELESS: Final = 0.2
"""Odds below which a target counts as out of reach."""
THOUSAND: Final = 1000


@dataclass(frozen=True)
class Quantity:
    """A number of the fit with its 95% interval, in the metric's stored unit."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, fitted: float, drawn: Floats) -> Quantity:
        low, high = np.quantile(drawn, [0.025, 0.975])
        return cls(fitted, float(low), float(high))


@dataclass(frozen=True)
class Evidence:
    """One point that an option rests on."""

    samples_per_language: int
    score: float
    """Mean over the languages and runs, in the metric's stored unit."""
    stderr: float
    """Sampling error of it; NaN where it is not known."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """One way to train for the task, at the number of samples it would need."""

    setting: str
    """single or multi."""
    mixture: str
    """Tasks trained together, joined by "+"."""
    language_group: str
    train_languages: tuple[str, ...]
    settled: bool
    """Whether its runs answer the question."""
    why: str
    """What its runs show, as a clause."""
    samples_per_language: int
    """The n it would need; of an option that is not settled, its largest n."""
    total_samples: int
    """Non-English rows of the task in all."""
    score: Quantity | None
    """Expected score at that n; None without a fit."""
    ceiling: Quantity | None
    within_tolerance: float
    """Probability that the score at that n is within the tolerance of the ceiling; NaN without a fit."""
    reaches_target: float
    """Probability of reaching the target there; NaN without a target or a fit."""
    next_thousand: Quantity | None
    """What the next thousand non-English rows would add to the score."""
    plateau: Plateau
    model_free_plateau: Plateau
    run_noise: float
    """Standard deviation between runs beyond sampling error."""
    evidence: tuple[Evidence, ...]


def option(curve: Curve, fit: Saturation, target: float | None, budget: int | None) -> Option:
    """An option from a curve and its fit, at the n that the question asks for.

    Args:
        curve: The curve.
        fit: Its fit.
        target: Score to reach; None without one.
        budget: Non-English rows to spend; None without one.
    """
    series, largest, ways = fit.series, fit.series.samples[-1] if fit.series.samples else 0, len(curve.train_languages)
    evidence = tuple(
        Evidence(*row) for row in zip(series.samples, series.scores, series.stderr, series.runs, strict=True)
    )
    blank = Option(
        curve.setting, curve.mixture, curve.language_group, curve.train_languages, False, _too_short(series), largest,
        largest * ways, None, None, nan, nan, None, fit.plateau, fit.model_free, fit.noise, evidence,
    )  # fmt: skip
    if fit.best is None or fit.refits is None:
        return blank
    if budget is not None:
        samples = min(budget // ways, largest)
        settled, why = True, _shape(fit)
        if budget // ways > largest:
            why += f"; what more than {largest:,} per language would do is not known"
    else:
        drawn = fit.refits.plateau(fit.tolerance) if target is None else fit.refits.needed(target)
        samples, settled = _smallest(drawn, series.samples)
        hopeless = target is not None and float(np.mean(drawn <= largest)) <= HOPELESS
        settled, why = settled or hopeless, _shape(fit)
        if not settled:
            what = "within the tolerance of its ceiling" if target is None else "at the target"
            why += f"; the odds of being {what} at n = {largest:,} are {np.mean(drawn <= largest):.0%}"
    return replace(
        blank,
        settled=settled,
        why=why,
        samples_per_language=samples,
        total_samples=samples * ways,
        **_at(fit, fit.best, fit.refits, samples, THOUSAND / ways, target),
    )


def _at(
    fit: Saturation, best: Refits, refits: Refits, samples: int, more: float, target: float | None
) -> dict[str, Any]:
    """What the fit says of n samples per language."""
    score = refits.at(samples)
    return {
        "score": Quantity.of(float(best.at(samples)[0]), score),
        "ceiling": Quantity.of(float(best.ceiling[0]), refits.ceiling),
        "within_tolerance": float(np.mean(refits.ceiling - score <= fit.tolerance)),
        "reaches_target": nan if target is None else float(np.mean(score >= target)),
        "next_thousand": Quantity.of(float((best.at(samples + more) - best.at(samples))[0]),
                                     refits.at(samples + more) - score),
    }  # fmt: skip


def _smallest(needed: Floats, tried: Sequence[int]) -> tuple[int, bool]:
    """The fewest samples that suffice with `CONFIDENCE` odds, and whether the series goes that far."""
    enough = float(np.quantile(needed, CONFIDENCE, method="inverted_cdf"))
    if enough > tried[-1]:
        return tried[-1], False
    if enough <= 0:
        return 0, True
    return min(max(_rounded_up(enough), tried[1]), tried[-1]), True


def _rounded_up(samples: float) -> int:
    """To two digits, upwards: more would be false precision."""
    unit = 10 ** max(floor(log10(samples)) - 1, 0)
    return int(ceil(samples / unit - 1e-9) * unit)


def _shape(fit: Saturation) -> str:
    largest = fit.series.samples[-1]
    if fit.verdict == FLAT:
        return "more samples change nothing beyond the tolerance"
    if fit.verdict == FALLING:
        best = fit.series.samples[int(np.argmax(fit.series.scores))]
        return f"the score falls again after n = {best:,}"
    if fit.verdict == NOT_SATURATING:
        return f"the score still rises at n = {largest:,}"
    return f"the score levels off at about n = {fit.plateau.samples:,.0f}"


def _too_short(series: Series) -> str:
    sizes = ", ".join(f"{n:,}" for n in series.samples) or "none with a language in common"
    return f"{TOO_SHORT} for a fit, with runs at n = {sizes}"
