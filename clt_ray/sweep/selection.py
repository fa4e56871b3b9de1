"""How the checkpoint of a run is chosen: the metrics that validation logs, one of which decides, and the result.

    val/loss                mean over tasks and selection languages
    val/math/loss           mean over selection languages
    val/math/es/loss        one language
    val/math/accuracy       with validation.generate: mean over selection languages
    val/math/es/accuracy    with validation.generate: one language

Scores have no mean over tasks, because scores of different tasks are different quantities.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from clt_ray.tasks import TASKS

LOSS = "loss"
OVERALL = "val/loss"


def task_metric(task: str, metric: str) -> str:
    """Returns the name of a metric's mean over the selection languages."""
    return f"val/{task}/{metric}"


def language_metric(task: str, language: str, metric: str) -> str:
    """Returns the name of a metric in one language."""
    return f"val/{task}/{language}/{metric}"


def logged_metrics(tasks: Iterable[str], languages: Collection[str], generated: Collection[str] = ()) -> list[str]:
    """Returns the names of all metrics that validation logs; answers to `generated` tasks are scored as well."""
    names = [OVERALL]
    for task in tasks:
        for metric in (LOSS, *(scored_metrics(task) if task in generated else ())):
            names.append(task_metric(task, metric))
            names += [language_metric(task, language, metric) for language in languages]
    return names


def scored_metrics(task: str) -> tuple[str, ...]:
    """Returns the names of the metrics that score generated answers of a task."""
    return tuple(metric.name for metric in TASKS[task].scored_metrics)


def selection_mode(name: str) -> Literal["min", "max"]:
    """Returns which value of a logged metric is best: the smallest loss; for a score, what its task declares."""
    _, *task, metric = name.split("/")
    if metric == LOSS or not task:
        return "min"
    return next(scored.better for scored in TASKS[task[0]].scored_metrics if scored.name == metric)


@dataclass(frozen=True)
class Candidate:
    """A checkpoint at which a validation recorded the selection metric."""

    step: int
    """Optimizer steps taken before the checkpoint."""
    value: float


@dataclass(frozen=True)
class Selection:
    """The chosen checkpoint of a run and the candidates that it was chosen from."""

    metric: str
    """Name of the validation metric that decides."""
    mode: str
    """`min` when the smallest value is the best, `max` when the largest is."""
    chosen: Candidate
    """The candidate with the best value."""
    runners_up: tuple[Candidate, ...]
    """All other candidates, best first."""
