"""Selects the further runs that are most informative about a curve that does not yet answer a question."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from clt_ray.analysis.curve_posterior import CurvePosterior, assumed_item_variance
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.saturation import TOO_SHORT, Saturation
from clt_ray.analysis.study import NO_GROUP, Curve
from clt_ray.tasks import TASKS

LADDER: Final = (0, 100, 400, 1000, 5000)
"""Samples per language proposed for a series without runs: the origin, and sizes at which a fit is well determined."""
ALL: Final = "all"
"""Language group proposed for a series without runs."""
MOST: Final = 4
"""Largest number of runs proposed per series."""
_ITEMS: Final = 250 * 7
"""Assumed number of test items behind a mean score: that of the reference study."""


@dataclass(frozen=True)
class NeededRun:
    """The axis values of a run that does not exist yet."""

    model: str
    task: str
    """Tasks of the run, joined by "+"."""
    language_group: str
    samples_per_language: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Returns the axis values as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """The question that further runs are to answer."""

    task: str
    model: str
    setting: str | None
    """`single`, `multi`, or None for either; used only for a series without runs."""
    scale: float = 1.0
    """Range of the metric's scale, in its stored unit."""
    target: float | None = None
    """Score to reach. With a target, runs are chosen for what they tell about the score at the largest n."""


def needed_runs(question: Question, curve: Curve | None = None, fit: Saturation | None = None) -> list[NeededRun]:
    """Returns the most informative further runs of a series, in ascending order of samples per language.

    For a series without runs (no curve), or one too short for a fit, these are the sizes of `LADDER` that it lacks. For
    others, they are further seeds of existing sizes or a size beyond the largest.

    Returns:
        For a series without runs, or one too short for a fit, the sizes of `LADDER` that it lacks. For other series,
        further seeds of existing sizes or a size beyond the largest, whichever are most informative.
    """
    if curve is None or fit is None:
        tasks = {question.task, *TASKS} if question.setting == "multi" else {question.task}
        mixture = "+".join(sorted(tasks, key=task_order))
        return [NeededRun(question.model, mixture, ALL if n else NO_GROUP, n, 0) for n in LADDER]
    sizes, seeds = list(fit.series.samples), [seed for point in curve.points for seed in point.seeds]
    if fit.verdict == TOO_SHORT:
        missing = [n for n in LADDER if n not in sizes]
        return [_run_of_curve(curve, n, min(seeds, default=0)) for n in missing[:MOST]]
    beyond = [] if fit.plateau.is_established and question.target is None else [2 * sizes[-1]]
    chosen = sorted(_most_informative(fit, [*sizes, *beyond], question))
    first_seed = {n: max(seeds) + 1 if n in sizes else min(seeds) for n in chosen}
    return [_run_of_curve(curve, n, first_seed[n] + chosen[:index].count(n)) for index, n in enumerate(chosen)]


def _most_informative(fit: Saturation, candidates: list[int], question: Question) -> list[int]:
    """Returns `MOST` sizes by greedy selection: each adds the most information to those chosen before it."""
    series = fit.series
    if series.has_stderr:
        sampling_variance = float(np.mean(np.square(series.stderr)))
    else:
        # The scatter of the runs around the fit already includes their sampling error.
        sampling_variance = 0.0 if fit.noise > 0 else assumed_item_variance(question.scale, _ITEMS)
    variance = sampling_variance + fit.noise**2
    posterior = CurvePosterior.prior(question.scale, candidates[-1], series.scores[0])
    for n, score in zip(series.samples, series.scores, strict=True):
        posterior = posterior.updated(n, score, variance)
    chosen: list[int] = []
    for _ in range(MOST):
        information = {
            n: posterior.information(n, variance)
            if question.target is None
            else posterior.information_about(candidates[-1], n, variance)
            for n in candidates
        }
        best = max(information, key=information.__getitem__)
        chosen.append(best)
        posterior = posterior.updated(best, posterior.predict(best)[0], variance)
    return chosen


def _run_of_curve(curve: Curve, samples: int, seed: int) -> NeededRun:
    return NeededRun(curve.model, curve.mixture, curve.language_group if samples else NO_GROUP, samples, seed)
