"""Advice on how many samples per language to train on, with its probability, or the runs that would be needed for it.

**Contract.** The *options* for a task and a model are its curves: single-task or mixed, for each language group. Each
option is judged by its mean score over the non-English languages in which all options were evaluated, by means of the
saturating fit of `saturation` and its resamples. One of three questions is answered:

* without target and budget: the fewest samples within the tolerance of the ceiling with probability `CONFIDENCE`;
* with a target: the fewest samples per language that reach the target score with that probability;
* with a budget: that many non-English rows of the task, divided equally among the languages of the group.

An option is *settled* when its runs answer the question: the probability at its largest n is high enough or, for a
target, clearly too low. Recommended is the option with the highest expected score at its n. Among options within the
tolerance of it, or among those that reach the target, the one with the fewest samples in all is preferred. The advised
n never exceeds the largest n that was run and, unless it is 0, is at least the smallest other n. `ThinEvidence`, with
reasons and the most informative further runs, is raised if no option is settled, or only such as miss the target.

**Example.** The ceiling is 0.38, and 0.37 is reached at n = 900 in half of the resamples and at n = 1,400 in 80% of
them. With a tolerance of 0.01 the advice is 1,400 samples in each of four languages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, floor, inf, log10, nan
from typing import Any, Final

import numpy as np

from clt_ray.analysis.metrics import metric, scale
from clt_ray.analysis.needed_runs import NeededRun, Question, needed_runs
from clt_ray.analysis.saturation import FALLING, FLAT, NOT_SATURATING, Plateau, Refits, Saturation, Series, saturation
from clt_ray.analysis.study import NON_ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats
from clt_ray.errors import CltRayError, ConfigurationError, Problem
from clt_ray.tasks import Metric

TOLERANCE: Final = 0.01
"""Default tolerance as a share of the metric's scale: 1 point of 100, or 0.04 on a scale from 1 to 5."""
CONFIDENCE: Final = 0.8
"""Smallest probability of success that a recommendation must have."""
HOPELESS: Final = 0.2
"""Largest probability of reaching a target at which the target counts as out of reach."""


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

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values; what is unknown is null, and so is a plateau beyond the largest n."""
        values = asdict(self) | {"metric": self.metric.name}
        plain: dict[str, Any] = json.loads(json.dumps(values), parse_constant=lambda _: None)
        return plain


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
        tolerance: Largest difference that counts as none, in the metric's stored unit; by default as `TOLERANCE` says.

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
    unsettled = [(curve, fit) for curve, fit, item in judged if not item.settled]
    further_runs = tuple(dict.fromkeys(run for pair in unsettled for run in needed_runs(question, *pair)))
    reachable = target is None or any(item.reaches_target >= CONFIDENCE for item in options)
    if not any(item.settled for item in options) or (not reachable and further_runs):
        reasons = [f"{_curve_name(curve)}: {item.why}" for curve, _, item in judged if not item.settled]
        raise ThinEvidence(task, model, reasons, further_runs)
    ranked = _ranked(options, tolerance, target if reachable else None)
    return Advice(task, model, task_metric, languages, tolerance, target, budget, reachable, ranked, further_runs)


def _no_runs(study: Study, task: str, model: str, setting: str | None) -> str:
    models = sorted({curve.model for curve in study.curves if curve.task == task and curve.is_multilingual})
    restriction = f" in setting {setting}" if setting else ""
    existing = ", ".join(models or study.tasks)
    return f"no run of this model trains on non-English rows of the task{restriction}; there are runs of {existing}"


def _check_question(task_metric: Metric, target: float | None, budget: int | None, tolerance: float | None) -> None:
    problems = []
    if target is not None and budget is not None:
        message = "cannot be combined with --target"
        problems.append(Problem("advise", "--budget", budget, message, "ask for one of the two"))
    remedy = scale(task_metric)
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


def option(curve: Curve, fit: Saturation, target: float | None, budget: int | None) -> Option:
    """Returns the option of a curve with its fit, at the number of samples per language that the question asks for."""
    languages, series = len(curve.train_languages), fit.series
    largest = series.samples[-1] if series.samples else 0
    sizes = ", ".join(f"{n:,}" for n in series.samples) or "none with a language in common"
    points = zip(series.samples, series.scores, series.stderr, series.runs, strict=True)
    unsettled = Option(
        setting=curve.setting, mixture=curve.mixture, language_group=curve.language_group,
        train_languages=curve.train_languages, settled=False, why=f"{fit.verdict} for a fit, with runs at n = {sizes}",
        samples_per_language=largest, total_samples=largest * languages, score=None, ceiling=None, within_tolerance=nan,
        reaches_target=nan, next_thousand=None, plateau=fit.plateau, run_noise=fit.noise,
        evidence=tuple(Evidence(*point) for point in points),
    )  # fmt: skip
    if fit.best is None or fit.refits is None:
        return unsettled
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
        **_expectations(fit, fit.best, fit.refits, samples, 1000 / languages, target),
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
    # More than two significant digits would suggest a precision that the estimate lacks.
    unit = 10 ** max(floor(log10(enough)) - 1, 0)
    return min(max(int(ceil(enough / unit - 1e-9) * unit), sizes[1]), sizes[-1]), True


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
