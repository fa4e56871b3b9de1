"""The metrics that a run's validation logs, by name: what a sweep may select by, known before anything is trained.

val/loss                     mean over tasks and selection languages
val/math/loss                mean over selection languages
val/math/es/loss             one language
val/math/accuracy            with validation.generate: the same two for scores, which no mean joins over tasks,
val/math/es/accuracy         since theirs are different quantities
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from clt_ray.tasks import TASKS

LOSS = "loss"
OVERALL = "val/loss"


def task_metric(task: str, metric: str) -> str:
    """Name of a metric's mean over the selection languages."""
    return f"val/{task}/{metric}"


def language_metric(task: str, language: str, metric: str) -> str:
    """Name of a metric in one language."""
    return f"val/{task}/{language}/{metric}"


def logged_metrics(tasks: Iterable[str], languages: Collection[str], generated: Collection[str] = ()) -> list[str]:
    """Names of all metrics of a run's validation.

    Args:
        tasks: Of the run.
        languages: Evaluation languages.
        generated: Tasks whose validation rows are also answered and scored.
    """
    names = [OVERALL]
    for task in tasks:
        for metric in (LOSS, *(scored_metrics(task) if task in generated else ())):
            names.append(task_metric(task, metric))
            names += [language_metric(task, language, metric) for language in languages]
    return names


def scored_metrics(task: str) -> tuple[str, ...]:
    """Names of the metrics that validation by generation scores for a task."""
    return tuple(metric.name for metric in TASKS[task].scored_metrics)


def better_extreme(name: str) -> Literal["min", "max"]:
    """Whether the smallest or the largest value of a logged metric is best: the smallest of a loss, and what the
    declaration of the task says of a score.

    Args:
        name: Name of a logged metric: `val/loss`, `val/math/accuracy`.
    """
    _, *task, metric = name.split("/")
    if metric == LOSS or not task:
        return "min"
    return next(scored.better for scored in TASKS[task[0]].scored_metrics if scored.name == metric)
