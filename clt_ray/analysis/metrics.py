"""Labels and scales of tasks and metrics, and the metric that speaks for a task."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.scorers import declared_metrics
from clt_ray.tasks import TASKS, Metric


def metric(name: str) -> Metric:
    """Returns the declaration of a metric; one that nothing declares is taken to be a fraction from 0 to 1."""
    return declared_metrics().get(name) or Metric(name, name)


def primary_metrics(task: str) -> tuple[str, ...]:
    """Returns the names of the metrics that can speak for a task, the best first; none for an undeclared task."""
    return TASKS[task].primary_metrics if task in TASKS else ()


def task_label(task: str) -> str:
    """Returns the name of a task in figures and tables."""
    return TASKS[task].label if task in TASKS else task[:1].upper() + task[1:]


def task_order(task: str) -> tuple[int, str]:
    """Returns a sort key: declared tasks in canonical order, then others by name."""
    return (list(TASKS).index(task) if task in TASKS else len(TASKS), task)


def primary_scores(scores: pd.DataFrame, where: str = "scores") -> pd.DataFrame:
    """The rows of each task's primary metric: the best one that every run of the task has.

    Raises:
        ConfigurationError: The runs of a task share no such metric, so no curve can be drawn through them.
    """
    kept = []
    problems = []
    for task, rows in scores.groupby("task", sort=False):
        chosen = _shared_metric(str(task), rows)
        if chosen is None:
            problems.append(_mixed(str(task), rows, where))
        else:
            kept.append(rows[rows["metric"] == chosen])
    if problems:
        raise ConfigurationError(problems)
    return pd.concat(kept)


def _shared_metric(task: str, rows: pd.DataFrame) -> str | None:
    wanted: Sequence[str] = primary_metrics(task) or sorted(rows["metric"].unique())
    runs = rows["run_id"].nunique()
    shared = [name for name in wanted if rows.loc[rows["metric"] == name, "run_id"].nunique() == runs]
    if task not in TASKS and len(wanted) > 1:
        return None
    return shared[0] if shared else None


def _mixed(task: str, rows: pd.DataFrame, where: str) -> Problem:
    counts = rows.groupby("metric", sort=True)["run_id"].nunique()
    found = ", ".join(f"{name} ({count} runs)" for name, count in counts.items())
    wanted = " or ".join(primary_metrics(task)) or "one single metric"
    return Problem(
        where,
        "metric",
        None,
        f"the {rows['run_id'].nunique()} runs of {task} share no metric that could speak for the task: {found}",
        f"every run of {task} needs {wanted}; score the other runs with it, or report on them apart",
    )
