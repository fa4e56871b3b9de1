"""What a claim is, and the parts that all of them are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Final

from clt_ray.analysis import transfer
from clt_ray.analysis.run_noise import RunNoise, Statistic, run_noise
from clt_ray.analysis.study import ENGLISH, Curve, Point, Study

SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not supported"
UNTESTABLE: Final = "cannot be tested on these runs"

SMALL, LARGE, LLAMA = "aya-23-7b", "aya-23-35b", "llama-3.1-8b"
"""The study's models, as its scores name them."""
TASKS: Final = ("summarization", "instruction", "math")
ROUNDING: Final = 0.006
"""Two numbers made of scores printed with two decimals may differ by this much and mean the same."""


@dataclass(frozen=True)
class Claim:
    """One finding, recomputed."""

    claim: str
    """What the study says, as a sentence."""
    published: str
    """The number it gives, or its words."""
    recomputed: float
    """The same quantity from the scores, in the unit that `definition` names; NaN when it cannot be computed."""
    low: float
    """Lower end of the 95% interval; NaN without one."""
    high: float
    """Upper end of the 95% interval; NaN without one."""
    definition: str
    """How it was recomputed, and what decided the verdict."""
    verdict: str
    """`SUPPORTED`, `NOT_SUPPORTED` or `UNTESTABLE`."""
    run_ids: tuple[str, ...]
    """Runs behind it."""

    @property
    def is_testable(self) -> bool:
        """Whether the quantity could be computed at all."""
        return isfinite(self.recomputed)


def verdict(*conditions: bool) -> str:
    """Supported when everything holds that the claim needs."""
    return SUPPORTED if all(conditions) else NOT_SUPPORTED


def missing(claim: str, published: str, what: str) -> Claim:
    """A claim about runs that are not there."""
    return Claim(claim, published, nan, nan, nan, f"needs {what}, which these scores do not hold", UNTESTABLE, ())


def find(study: Study, model: str, task: str, setting: str = "single", group: str = "all") -> Curve | None:
    """The curve, if it has an n = 0 run and others."""
    key = (model, task, setting, group)
    found = [c for c in study.curves if (c.model, c.task, c.setting, c.language_group) == key]
    return found[0] if found and found[0].origin is not None and len(found[0].points) > 1 else None


def run_ids(curves: Iterable[Curve]) -> tuple[str, ...]:
    """Runs of curves, each once."""
    return tuple(dict.fromkeys(run for curve in curves for point in curve.points for run in point.run_ids))


def share_of_english(study: Study, curve: Curve, point: Point) -> float:
    """Mean of the non-English languages / English; 1 is no gap."""
    return transfer.relative_to_english(study, curve, point).estimate


def mean_score(study: Study, curve: Curve, point: Point) -> float:
    """Mean of the non-English languages."""
    return mean_over([code for code in study.task_scores[curve.task].languages if code != ENGLISH])(study, curve, point)


def mean_over(languages: Sequence[str]) -> Statistic:
    """Mean over languages."""

    def statistic(study: Study, curve: Curve, point: Point) -> float:
        return study.task_scores[curve.task].mean(point.run_ids, languages).value

    return statistic


def gap(study: Study, curve: Curve, point: Point) -> float:
    """Seen minus unseen."""
    return transfer.seen_unseen(study, curve, point).gap.estimate


def values(study: Study, curve: Curve, statistic: Statistic) -> list[float]:
    """The statistic at every point."""
    return [statistic(study, curve, point) for point in curve.points]


def noise_around(study: Study, curve: Curve, statistic: Statistic) -> RunNoise:
    """Variation between equal runs of the curve's model, task and setting: models differ in how noisy they are.

    Of the gap only curves of the same languages count: what is seen and unseen is another thing in others.
    """
    key = (curve.model, curve.task, curve.setting)
    alike = [other for other in study.curves if (other.model, other.task, other.setting) == key]
    if statistic is gap:
        alike = [other for other in alike if other.train_languages == curve.train_languages]
    return run_noise(study, alike, statistic)


def agrees(number: float, published: float, tolerance: float = ROUNDING) -> bool:
    return abs(number - published) <= tolerance
