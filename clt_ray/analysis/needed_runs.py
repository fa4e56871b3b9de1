"""Which runs would settle what the present ones leave open, by what each is expected to tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from clt_ray.analysis.curve_posterior import Belief, item_variance
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.saturation import TOO_SHORT, Saturation
from clt_ray.analysis.study import NO_GROUP, Curve
from clt_ray.tasks import TASKS

LADDER: Final = (0, 100, 400, 1000, 5000)
"""Samples per language of a series that does not exist yet: the origin, and steps that a fit can tell apart."""
ALL: Final = "all"
"""Language group of a series that does not exist yet."""
MOST: Final = 4
"""Runs named per series."""
_ITEMS: Final = 250 * 7
"""Assumed test items behind a mean score: the reference study's."""


@dataclass(frozen=True)
class NeededRun:
    """Axis values of a run that does not exist."""

    model: str
    task: str
    """Tasks of the run, joined by "+"."""
    language_group: str
    samples_per_language: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """The axis values as plain JSON values."""
        return asdict(self)


def needed_runs(
    task: str,
    model: str,
    setting: str | None,
    curve: Curve | None = None,
    fit: Saturation | None = None,
    *,
    scale: float = 1.0,
    target: float | None = None,
) -> list[NeededRun]:
    """The runs that would tell most about a series, smallest first.

    Args:
        task: Task name.
        model: Model name.
        setting: Asked for; only used where there is no curve.
        curve: The curve as it is; None where there is none.
        fit: Its fit.
        scale: Range of the metric's scale.
        target: Score that the series may or may not reach: then runs count by what they tell about its largest n.

    Returns:
        For a curve that does not exist or is too short, the sizes it lacks; else further seeds and a size beyond the
        largest, whichever tell most.
    """
    if curve is None or fit is None:
        tasks = {task, *TASKS} if setting == "multi" else {task}
        mixture = "+".join(sorted(tasks, key=task_order))
        return [NeededRun(model, mixture, ALL if n else NO_GROUP, n, 0) for n in LADDER]
    have, seeds = list(fit.series.samples), [seed for point in curve.points for seed in point.seeds]
    if fit.verdict == TOO_SHORT:
        missing = [n for n in LADDER if n not in have]
        return [_run(curve, n, min(seeds, default=0)) for n in missing[:MOST]]
    beyond = [] if fit.plateau.is_established and target is None else [2 * have[-1]]
    chosen = sorted(_most_telling(fit, [*have, *beyond], scale, target))
    first = {n: max(seeds) + 1 if n in have else min(seeds) for n in chosen}
    return [_run(curve, n, first[n] + chosen[:place].count(n)) for place, n in enumerate(chosen)]


def _most_telling(fit: Saturation, candidates: list[int], scale: float, target: float | None) -> list[int]:
    """Greedy: each run is chosen for what it adds to those chosen before it."""
    series = fit.series
    usual = float(np.mean(np.square(series.stderr))) if series.has_stderr else item_variance(scale, _ITEMS)
    if not series.has_stderr and fit.noise > 0:
        usual = 0.0  # the scatter of the runs already holds their sampling error
    variance = usual + fit.noise**2
    belief = Belief.prior(scale, candidates[-1], series.scores[0])
    for n, score in zip(series.samples, series.scores, strict=True):
        belief = belief.seeing(n, score, variance)
    chosen: list[int] = []
    for _ in range(MOST):
        told = {
            n: belief.information(n, variance)
            if target is None
            else belief.information_about(candidates[-1], n, variance)
            for n in candidates
        }
        best = max(told, key=told.__getitem__)
        chosen.append(best)
        belief = belief.seeing(best, belief.predict(best)[0], variance)
    return chosen


def _run(curve: Curve, samples: int, seed: int) -> NeededRun:
    return NeededRun(curve.model, curve.mixture, curve.language_group if samples else NO_GROUP, samples, seed)
