"""How many samples per language to buy: an answer with its odds and its evidence, or which runs would give one.

**Contract.** The *options* for a task and a model are its curves: alone or in a mixture, in each language group.
Each is judged by the mean score over the non-English languages that all options were evaluated in, through the
saturating fit of `saturation` and its resamples. One of three questions is asked:

* no target, no budget: the fewest samples per language with at least `CONFIDENCE` odds of being within the tolerance
  of the option's ceiling;
* a target: the fewest with those odds of reaching the target score;
* a budget: that many non-English rows of the task, divided among the languages of the group.

An option is *settled* when its runs can answer: the odds at its largest n are good, or, for a target, clearly bad.
Recommended is the option with the best expected score at its n; options within the tolerance of it, or which equally
reach the target, win by costing fewer samples in all. n stays where there were runs: never beyond the largest n, and
if not 0, at least the smallest other one. If no option is settled, or if those that are cannot reach the target while
others might, `ThinEvidence` says why and names the runs that would tell most.

**Example.** Ceiling 0.38, and 0.37 reached at n = 900 in half of the resamples and at n = 1,400 in 80% of them: with
tolerance 0.01 the advice is 1,400 per language, times four languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from clt_ray.analysis.metrics import metric
from clt_ray.analysis.needed_runs import NeededRun, needed_runs
from clt_ray.analysis.options import CONFIDENCE, Option, option
from clt_ray.analysis.saturation import saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.transfer import languages_of
from clt_ray.errors import CltRayError, ConfigurationError, Problem
from clt_ray.tasks import Metric

TOLERANCE: Final = 0.01
"""Default tolerance per range of the metric's scale: one point of 100, 0.04 on a scale from 1 to 5."""


@dataclass(frozen=True)
class Advice:
    """The answer. `options[0]` is what is recommended."""

    task: str
    model: str
    metric: Metric
    languages: tuple[str, ...]
    """Evaluation languages that scores are means over."""
    tolerance: float
    """In the metric's stored unit."""
    target: float | None
    budget: int | None
    reachable: bool
    """Whether the target can be reached; True without a target."""
    options: tuple[Option, ...]
    """Best first."""
    settling_runs: tuple[NeededRun, ...]
    """Runs that would tell most about the options that are not settled."""


class ThinEvidence(CltRayError):
    """The runs cannot answer; says why, and which runs would settle it."""

    def __init__(self, task: str, model: str, reasons: Sequence[str], runs: Sequence[NeededRun]) -> None:
        self.task, self.model, self.reasons, self.runs = task, model, tuple(reasons), tuple(runs)
        super().__init__(f"no advice on {task} for {model}: {'; '.join(reasons)}")

    def to_json(self) -> dict[str, Any]:
        """The refusal as plain JSON values."""
        runs = [run.to_json() for run in self.runs]
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
    """Advice on a task and a model from the runs of a study.

    Args:
        study: The scores.
        task: Task name.
        model: Model name, as in the scores.
        setting: Consider "single" or "multi" alone.
        target: Score to reach, in the metric's stored unit.
        budget: Non-English rows of the task that can be had.
        tolerance: What counts as no difference, in the metric's stored unit; by default `TOLERANCE` of its scale.

    Raises:
        ConfigurationError: Target and budget together, or values outside their range.
        ThinEvidence: No option is settled.
    """
    curves = [curve for curve in study.curves if (curve.task, curve.model) == (task, model) and _is_option(curve)]
    curves = [curve for curve in curves if setting in (None, curve.setting)]
    if not curves:
        raise ThinEvidence(task, model, [_nothing(study, task, model, setting)], needed_runs(task, model, setting))
    about = metric(curves[0].metric)
    _check(about, target, budget, tolerance)
    tolerance = tolerance or TOLERANCE * about.span
    languages = _common_languages(study, curves)
    found = []
    for seed, curve in enumerate(curves):
        fit = saturation(Series.of(study, curve, languages), tolerance, seed=seed)
        found.append((curve, fit, option(curve, fit, target, budget)))
    options = [judged for _, _, judged in found]
    open_runs = dict.fromkeys(
        run
        for curve, fit, judged in found
        if not judged.settled
        for run in needed_runs(task, model, setting, curve, fit, scale=about.span, target=target)
    )
    reachable = target is None or any(judged.reaches_target >= CONFIDENCE for judged in options)
    if not any(judged.settled for judged in options) or (not reachable and open_runs):
        reasons = [f"{_called(curve)}: {judged.why}" for curve, _, judged in found if not judged.settled]
        raise ThinEvidence(task, model, reasons, tuple(open_runs))
    ranked = _ranked(options, tolerance, target if reachable else None)
    return Advice(task, model, about, languages, tolerance, target, budget, reachable, ranked, tuple(open_runs))


def _is_option(curve: Curve) -> bool:
    """Controls that train on more English answer another question."""
    return bool(curve.train_languages) and ENGLISH not in curve.train_languages


def _nothing(study: Study, task: str, model: str, setting: str | None) -> str:
    models = sorted({curve.model for curve in study.curves if curve.task == task and _is_option(curve)})
    kind = f" in setting {setting}" if setting else ""
    known = f"; there are runs of {', '.join(models)}" if models else f"; there are runs of {', '.join(study.tasks)}"
    return f"there is no run of it with non-English rows{kind}{known}"


def _check(about: Metric, target: float | None, budget: int | None, tolerance: float | None) -> None:
    problems = []
    if target is not None and budget is not None:
        problems.append(Problem("advise", "--budget", budget, "is given beside --target", "ask for one of the two"))
    remedy = f"{about.name} goes from {about.low:g} to {about.high:g}"
    remedy += "; divide percentages by 100" if about.high == 1 else ""
    if target is not None and not about.low <= target <= about.high:
        problems.append(Problem("advise", "--target", target, f"is outside the range of {about.name}", remedy))
    if tolerance is not None and not 0 < tolerance < about.span:
        problems.append(Problem("advise", "--tolerance", tolerance, f"is no difference of {about.name}", remedy))
    if budget is not None and budget < 0:
        problems.append(Problem("advise", "--budget", budget, "is negative", "a number of rows, 0 or more"))
    if problems:
        raise ConfigurationError(problems)


def _common_languages(study: Study, curves: Sequence[Curve]) -> tuple[str, ...]:
    points = [set(languages_of(study, curve, point)) for curve in curves for point in curve.points]
    return tuple(sorted(set.intersection(*points) - {ENGLISH}))


def _ranked(options: Sequence[Option], tolerance: float, target: float | None) -> tuple[Option, ...]:
    def expected(judged: Option) -> float:
        return judged.score.estimate if judged.score else -inf

    top = max(expected(judged) for judged in options)

    def order(judged: Option) -> tuple[bool, float, float]:
        good = expected(judged) >= top - tolerance if target is None else judged.reaches_target >= CONFIDENCE
        return not good, judged.total_samples if good else 0, -expected(judged)

    return tuple(sorted(options, key=order))


def _called(curve: Curve) -> str:
    kind = "alone" if curve.setting == "single" else f"mixed as {curve.mixture}"
    return f"{kind}, {curve.language_group} ({' '.join(curve.train_languages)})"
