"""Labels and scales of tasks and metrics, and the primary metric of each task."""

import pandas as pd

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.scorers import declared_metrics
from clt_ray.tasks import TASKS, Metric


def metric(name: str) -> Metric:
    """Returns the declaration of a metric; one that nothing declares is taken to be a fraction from 0 to 1."""
    return declared_metrics().get(name) or Metric(name, name)


def scale(metric: Metric) -> str:
    """Returns the range of a metric's scale as the remedy of a value outside it."""
    hint = "; divide percentages by 100" if metric.high == 1 else ""
    return f"{metric.name} goes from {metric.low:g} to {metric.high:g}{hint}"


def primary_metrics(task: str) -> tuple[str, ...]:
    """Returns the names of a task's possible primary metrics, the best first; none for an undeclared task."""
    return TASKS[task].primary_metrics if task in TASKS else ()


def task_label(task: str) -> str:
    """Returns the name of a task in figures and tables."""
    return TASKS[task].label if task in TASKS else task[:1].upper() + task[1:]


def task_order(task: str) -> tuple[int, str]:
    """Returns a sort key: declared tasks in canonical order, then others by name."""
    return (list(TASKS).index(task) if task in TASKS else len(TASKS), task)


def primary_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of each task's primary metric: the best metric that all runs of the task have.

    Raises:
        ConfigurationError: The runs of a task have no such metric in common, so they cannot share a curve.
    """
    kept, problems = [], []
    for task, rows in scores.groupby("task", sort=False):
        candidates = primary_metrics(str(task)) or tuple(sorted(rows["metric"].unique()))
        runs_per_metric = rows.groupby("metric")["run_id"].nunique()
        shared = [name for name in candidates if runs_per_metric.get(name) == rows["run_id"].nunique()]
        # Nothing says which of several metrics of an undeclared task is the primary one.
        if not shared or (task not in TASKS and len(candidates) > 1):
            problems.append(_no_shared_metric(str(task), rows))
        else:
            kept.append(rows[rows["metric"] == shared[0]])
    if problems:
        raise ConfigurationError(problems)
    return pd.concat(kept)


def _no_shared_metric(task: str, rows: pd.DataFrame) -> Problem:
    counts = rows.groupby("metric", sort=True)["run_id"].nunique()
    existing = ", ".join(f"{name} ({count} runs)" for name, count in counts.items())
    expected = " or ".join(primary_metrics(task)) or "one single metric"
    message = f"the {rows['run_id'].nunique()} runs of {task} have no primary metric in common: {existing}"
    remedy = f"every run of {task} needs {expected}; score the other runs with it, or report on them separately"
    return Problem("scores", "metric", None, message, remedy)
