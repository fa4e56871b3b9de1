"""Advice on how many samples per language to train on, with its probability, or the runs that would be needed for it.

**Contract.** The *options* for a task and a model are its curves: single-task or mixed, for each language group. Each
option is judged by its mean score over the non-English languages in which all options were evaluated, by means of the
saturating fit of `saturation` and its resamples. One of three questions is answered:

* without target and budget: the fewest samples per language that are within the tolerance of the option's ceiling with
  a probability of at least `CONFIDENCE`;
* with a target: the fewest samples per language that reach the target score with that probability;
* with a budget: that many non-English rows of the task, divided equally among the languages of the group.

An option is *settled* when its runs answer the question: the probability at its largest n is high enough or, for a
target, clearly too low. Recommended is the option with the highest expected score at its n. Among options within the
tolerance of it, or among those that reach the target, the one with the fewest samples in all is preferred. The advised
n never exceeds the largest n that was run and, unless it is 0, is at least the smallest other n. If no option is
settled, or if the settled ones cannot reach the target while others might, `ThinEvidence` is raised with the reasons
and the most informative further runs.

**Example.** The ceiling is 0.38, and 0.37 is reached at n = 900 in half of the resamples and at n = 1,400 in 80% of
them. With a tolerance of 0.01 the advice is 1,400 samples in each of four languages.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, Final

from clt_ray.analysis.metrics import metric
from clt_ray.analysis.needed_runs import NeededRun, Question, needed_runs
from clt_ray.analysis.options import CONFIDENCE, Option, option
from clt_ray.analysis.saturation import Saturation, saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import NON_ENGLISH, Curve, Study
from clt_ray.errors import CltRayError, ConfigurationError, Problem
from clt_ray.tasks import Metric

TOLERANCE: Final = 0.01
"""Default tolerance as a share of the metric's scale: 1 point of 100, or 0.04 on a scale from 1 to 5."""


@dataclass(frozen=True)
class Advice:
    """The recommended way to train, and the alternatives."""

    task: str
    model: str
    metric: Metric
    languages: tuple[str, ...]
    """Evaluation languages over which scores are averaged."""
    tolerance: float
    """Largest difference that counts as none, in the metric's stored unit."""
    target: float | None
    """Score to reach, in the metric's stored unit; None without a target."""
    budget: int | None
    """Available non-English rows of the task; None without a budget."""
    reachable: bool
    """Whether an option reaches the target; True without a target."""
    options: tuple[Option, ...]
    """All options in order of preference; the first one is recommended."""
    settling_runs: tuple[NeededRun, ...]
    """The most informative further runs for the options that are not settled."""


class ThinEvidence(CltRayError):
    """Raised when the runs cannot answer the question; holds the reasons and the runs that would be needed."""

    def __init__(self, task: str, model: str, reasons: Sequence[str], runs: Sequence[NeededRun]) -> None:
        self.task, self.model, self.reasons, self.runs = task, model, tuple(reasons), tuple(runs)
        super().__init__(f"no advice on {task} for {model}: {'; '.join(reasons)}")

    def to_json(self) -> dict[str, Any]:
        """Returns the reasons and the needed runs as plain JSON values."""
        runs = list(map(asdict, self.runs))
        return {"task": self.task, "model": self.model, "refused": list(self.reasons), "settling_runs": runs}


def advise(
    study: Study,
    task: str,
    model: str,
    *,
    setting: str | None = None,
    target: float | None = None,
    budget: int | None = None,
    tolerance: float | None = None,
) -> Advice:
    """Returns advice on how many samples per language to train on, for a task and a model.

    Args:
        setting: Restricts the options to "single" or "multi"; None for both.
        target: Score to reach, in the metric's stored unit.
        budget: Available non-English rows of the task.
        tolerance: Largest difference that counts as none, in the metric's stored unit; by default `TOLERANCE` times the
            range of the metric's scale.

    Raises:
        ConfigurationError: Target and budget are both stated, or a value is outside its range.
        ThinEvidence: The runs cannot answer the question.
    """
    curves = [curve for curve in study.curves if (curve.task, curve.model) == (task, model) and curve.is_multilingual]
    curves = [curve for curve in curves if setting in (None, curve.setting)]
    if not curves:
        reason = _no_runs(study, task, model, setting)
        raise ThinEvidence(task, model, [reason], needed_runs(Question(task, model, setting)))
    task_metric = metric(curves[0].metric)
    _check_question(task_metric, target, budget, tolerance)
    tolerance = tolerance or TOLERANCE * task_metric.span
    points = [point for curve in curves for point in curve.points]
    languages = tuple(study.languages(curves[0], *points, among=NON_ENGLISH))
    judged: list[tuple[Curve, Saturation, Option]] = []
    for seed, curve in enumerate(curves):
        fit = saturation(Series.of(study, curve, languages), tolerance, seed=seed)
        judged.append((curve, fit, option(curve, fit, target, budget)))
    options = [item for _, _, item in judged]
    question = Question(task, model, setting, task_metric.span, target)
    further_runs = tuple(
        dict.fromkeys(
            run for curve, fit, item in judged if not item.settled for run in needed_runs(question, curve, fit)
        )
    )
    reachable = target is None or any(item.reaches_target >= CONFIDENCE for item in options)
    if not any(item.settled for item in options) or (not reachable and further_runs):
        reasons = [f"{_curve_name(curve)}: {item.why}" for curve, _, item in judged if not item.settled]
        raise ThinEvidence(task, model, reasons, further_runs)
    ranked = _ranked(options, tolerance, target if reachable else None)
    return Advice(task, model, task_metric, languages, tolerance, target, budget, reachable, ranked, further_runs)


def _no_runs(study: Study, task: str, model: str, setting: str | None) -> str:
    models = sorted({curve.model for curve in study.curves if curve.task == task and curve.is_multilingual})
    restriction = f" in setting {setting}" if setting else ""
    existing = f"; there are runs of {', '.join(models)}" if models else f"; there are runs of {', '.join(study.tasks)}"
    return f"no run of this model trains on non-English rows of the task{restriction}{existing}"


def _check_question(task_metric: Metric, target: float | None, budget: int | None, tolerance: float | None) -> None:
    problems = []
    if target is not None and budget is not None:
        message = "cannot be combined with --target"
        problems.append(Problem("advise", "--budget", budget, message, "ask for one of the two"))
    remedy = f"{task_metric.name} goes from {task_metric.low:g} to {task_metric.high:g}"
    remedy += "; divide percentages by 100" if task_metric.high == 1 else ""
    if target is not None and not task_metric.low <= target <= task_metric.high:
        message = f"is outside the range of {task_metric.name}"
        problems.append(Problem("advise", "--target", target, message, remedy))
    if tolerance is not None and not 0 < tolerance < task_metric.span:
        message = f"is not a possible difference of two values of {task_metric.name}"
        problems.append(Problem("advise", "--tolerance", tolerance, message, remedy))
    if budget is not None and budget < 0:
        problems.append(Problem("advise", "--budget", budget, "is negative", "a number of rows, 0 or more"))
    if problems:
        raise ConfigurationError(problems)


def _ranked(options: Sequence[Option], tolerance: float, target: float | None) -> tuple[Option, ...]:

    def expected_score(item: Option) -> float:
        return item.score.estimate if item.score else -inf

    highest = max(expected_score(item) for item in options)

    def preference(item: Option) -> tuple[bool, float, float]:
        is_near_best = expected_score(item) >= highest - tolerance
        is_good = is_near_best if target is None else item.reaches_target >= CONFIDENCE
        return not is_good, item.total_samples if is_good else 0, -expected_score(item)

    return tuple(sorted(options, key=preference))


def _curve_name(curve: Curve) -> str:
    setting = "single task" if curve.setting == "single" else f"mixed as {curve.mixture}"
    return f"{setting}, {curve.language_group} ({' '.join(curve.train_languages)})"
