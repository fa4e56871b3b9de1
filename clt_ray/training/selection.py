"""Which checkpoint of a run is the best one, from the validation metrics it recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clt_ray.errors import RunError


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that validation has seen."""

    step: int
    """Optimizer steps taken."""
    value: float
    """The selection metric at that step."""


@dataclass(frozen=True)
class Selection:
    """The chosen checkpoint and those it beat."""

    metric: str
    mode: str
    """`min` or `max`."""
    chosen: Candidate
    runners_up: tuple[Candidate, ...]
    """All other candidates, best first."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def select(points: Iterable[tuple[int, Mapping[str, float]]], metric: str, mode: str) -> Selection:
    """Choose the step with the best recorded value of `metric`; the earliest one on a tie.

    Args:
        points: (step, metrics) of every validation. A step recorded twice counts once, as last recorded.
        metric: Name of a logged validation metric.
        mode: `min` or `max`.

    Raises:
        RunError: No validation recorded a finite value of the metric.
    """
    values = {step: metrics[metric] for step, metrics in points if metric in metrics}
    finite = [Candidate(step, value) for step, value in values.items() if math.isfinite(value)]
    if not finite:
        raise RunError(f"no finite {metric!r} among {len(values)} validations: no checkpoint can be chosen")
    sign = 1.0 if mode == "min" else -1.0
    ranked = sorted(finite, key=lambda candidate: (sign * candidate.value, candidate.step))
    return Selection(metric, mode, ranked[0], tuple(ranked[1:]))
