"""Which checkpoint of a run is the best one, from the validation metrics it recorded."""

import math
from collections.abc import Iterable, Mapping

from clt_ray.errors import RunError
from clt_ray.sweep.metrics import OVERALL
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Candidate, Selection
from clt_ray.training.journal import Journal


def select(points: Iterable[tuple[int, Mapping[str, float]]], metric: str, mode: str) -> Selection:
    """Chooses the step with the best recorded value of `metric`; the earliest one on a tie.

    Args:
        points: (step, metrics) of every validation. A step recorded twice counts once, as last recorded. A step whose
            loss is not finite is not considered, however well it scored.
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
    """Returns the step whose checkpoint has to be kept while training goes on.

    That is `latest` while no validation has recorded the metric: scores of generated answers are not recorded at
    every validation.

    Raises:
        RunError: The metric was recorded, and was never finite.
    """
    recorded = [(step, metrics) for step, metrics in points if metric in metrics]
    return select(recorded, metric, mode).chosen.step if recorded else latest


def best_until(journal: Journal, step: int, run: RunSpec) -> int:
    """Returns the step of the best checkpoint among those up to a step, as `best_so_far`."""
    points = [(point.step, point.metrics) for point in journal.metrics("validation") if point.step <= step]
    return best_so_far(points, run.selection.metric, run.selection.mode, step)
