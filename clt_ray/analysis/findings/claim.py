"""The `Claim` class, and the statistics and helper functions from which all claims are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan
from pathlib import Path
from typing import Any, Final

import yaml

from clt_ray.analysis import transfer
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.run_noise import RunNoise, Statistic, run_noise
from clt_ray.analysis.study import ENGLISH, Curve, Point, Study

SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not supported"
UNTESTABLE: Final = "cannot be tested on these runs"

ROUNDING: Final = 0.006
"""Largest difference between two numbers that can come from scores printed with two decimals."""


@dataclass(frozen=True)
class Claim:
    """One finding of the reference study, recomputed from scores."""

    claim: str
    """The finding as a sentence."""
    published: str
    """The number that the study gives, or its words."""
    recomputed: float
    """The same quantity recomputed, in the unit that `definition` states; NaN when it cannot be computed."""
    low: float
    high: float
    """`low` and `high` are the ends of the 95% confidence interval; NaN without an interval."""
    definition: str
    """How the quantity was computed, and the reason for the verdict."""
    verdict: str
    """`SUPPORTED`, `NOT_SUPPORTED` or `UNTESTABLE`."""
    run_ids: tuple[str, ...]
    """Runs from which the quantity was computed."""


def verdict(*conditions: bool) -> str:
    """Returns `SUPPORTED` if all conditions hold, else `NOT_SUPPORTED`."""
    return SUPPORTED if all(conditions) else NOT_SUPPORTED


class Untestable(Exception):
    """Raised when the study lacks the runs of a claim, with a message that names them."""


@cache
def findings() -> dict[str, Any]:
    """Returns the content of `findings.yaml`: texts and instances of each finding, by name."""
    texts: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "findings.yaml").read_text("utf-8"))
    return texts


@dataclass(frozen=True)
class Statement:
    """A finding as the reference study states it, to be tested on the runs of a study."""

    study: Study
    name: str
    """Name of the finding in `findings.yaml`."""
    values: Mapping[str, Any]
    """The instance of the finding: values of the places in its texts."""

    def _filled(self, text: str, facts: Mapping[str, Any]) -> str:
        shown = {"label": task_label(self.values.get("task", "")), "points": 100 * self.values.get("published", nan)}
        return text.format_map({**self.values, **shown, **facts})

    def claim(
        self, value: float, interval: tuple[float, float], definition: str, verdict: str, run_ids: tuple[str, ...]
    ) -> Claim:
        """Returns the finding with a definition and a verdict."""
        claim, published = (self._filled(findings()[self.name][part], {}) for part in ("claim", "published"))
        return Claim(claim, published, value, *interval, definition, verdict, run_ids)

    def curve(self, model: str, task: str, setting: str = "single", group: str = "all") -> Curve:
        """Returns the curve that the finding is about; raises `Untestable` if it lacks n = 0 or any other run."""
        key = (model, task, setting, group)
        for curve in self.study.curves:
            is_whole = curve.origin is not None and len(curve.points) > 1
            if is_whole and (curve.model, curve.task, curve.setting, curve.language_group) == key:
                return curve
        kind = "single-task" if setting == "single" else "mixed"
        needed = f"{kind} runs of {model} in {task_label(task).lower()} with the language group {group}"
        raise Untestable(f"needs {needed}, which these scores do not contain")

    def tested(
        self, value: float, interval: tuple[float, float], verdict: str, curves: Sequence[Curve], *reasons: str,
        **facts: object,
    ) -> Claim:  # fmt: skip
        """Returns the finding with its recomputed value and interval, the verdict, and the runs of the curves.

        Args:
            reasons: Names of the reasons that apply; empty names are ignored.
            facts: Values of the places in the definition and in the reasons.
        """
        run_ids = tuple(dict.fromkeys(run for curve in curves for point in curve.points for run in point.run_ids))
        texts = findings()[self.name]
        parts = [texts["definition"], *(texts["reasons"][reason] for reason in reasons if reason)]
        definition = "".join(self._filled(part, facts) for part in parts)
        return self.claim(value, interval, definition, verdict, run_ids)


def around(centre: float, half_width: float) -> tuple[float, float]:
    """Returns the ends of an interval."""
    return centre - half_width, centre + half_width


def relative_to_english(study: Study, curve: Curve, point: Point) -> float:
    """Returns the mean non-English score divided by the English score; 1 means no gap to English."""
    return transfer.relative_to_english(study, curve, point).estimate


def mean_score(study: Study, curve: Curve, point: Point) -> float:
    """Returns the mean score over the non-English languages."""
    codes = [code for code in study.task_scores[curve.task].languages if code != ENGLISH]
    return study.mean(curve, point, codes).value


def mean_over(languages: Sequence[str]) -> Statistic:
    """Returns the statistic "mean score over these languages"."""
    return lambda study, curve, point: study.mean(curve, point, languages).value


def gap(study: Study, curve: Curve, point: Point) -> float:
    """Returns the seen minus the unseen mean."""
    return transfer.seen_unseen(study, curve, point)["gap"].estimate


def values(study: Study, curve: Curve, statistic: Statistic) -> list[float]:
    """Returns the statistic at every point of the curve."""
    return [statistic(study, curve, point) for point in curve.points]


def noise_of(study: Study, curve: Curve, statistic: Statistic) -> RunNoise:
    """Estimates the run-to-run noise of a statistic from all curves of the same model, task and setting.

    Models are not pooled, because they differ in their noise. For the gap, only curves with the same training languages
    are pooled, because the others divide the languages into seen and unseen differently.
    """
    key = (curve.model, curve.task, curve.setting)
    pooled = [other for other in study.curves if (other.model, other.task, other.setting) == key]
    if statistic is gap:
        pooled = [other for other in pooled if other.train_languages == curve.train_languages]
    return run_noise(study, pooled, statistic)


def agrees(number: float, published: float, tolerance: float = ROUNDING) -> bool:
    """Returns whether a recomputed number equals the published one within the tolerance."""
    return abs(number - published) <= tolerance
