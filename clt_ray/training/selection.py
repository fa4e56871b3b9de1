"""Which checkpoint of a run is the best one, from the validation metrics it recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from clt_ray.errors import RunError
from clt_ray.sweep.metrics import OVERALL
from clt_ray.sweep.selection import Candidate, Selection


def select(points: Iterable[tuple[int, Mapping[str, float]]], metric: str, mode: str) -> Selection:
    """Choose the step with the best recorded value of `metric`; the earliest one on a tie.

    Args:
        points: (step, metrics) of every validation. A step recorded twice counts once, as last recorded. One whose
            loss is not finite is not considered, however well it scored.
        metric: Name of a logged validation metric.
        mode: `min` or `max`.

    Raises:
        RunError: No validation recorded a finite value of the metric.
    """
    recorded = dict(points)
    finite = [
        Candidate(step, metrics[metric])
        for step, metrics in recorded.items()
        if math.isfinite(metrics.get(metric, math.nan)) and math.isfinite(metrics.get(OVERALL, 0.0))
    ]
    if not finite:
        raise RunError(f"no finite {metric!r} among {len(recorded)} validations: no checkpoint can be chosen")
    sign = 1.0 if mode == "min" else -1.0
    ranked = sorted(finite, key=lambda candidate: (sign * candidate.value, candidate.step))
    return Selection(metric, mode, ranked[0], tuple(ranked[1:]))


def best_so_far(points: Iterable[tuple[int, Mapping[str, float]]], metric: str, mode: str, latest: int) -> int:
    """The step whose checkpoint has to be kept while training goes on.

    That is `latest` as long as no validation has recorded the metric, which generated answers are not scored at
    every one for.

    Raises:
        RunError: The metric was recorded, and never finite.
    """
    recorded = [(step, metrics) for step, metrics in points if metric in metrics]
    return select(recorded, metric, mode).chosen.step if recorded else latest
