"""Labels and scales of tasks and metrics, and the primary metric of each task."""

from collections.abc import Sequence

import pandas as pd

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.scorers import declared_metrics
from clt_ray.tasks import TASKS, Metric


def metric(name: str) -> Metric:
    """Returns the declaration of a metric; one that nothing declares is taken to be a fraction from 0 to 1."""
    return declared_metrics().get(name) or Metric(name, name)


def primary_metrics(task: str) -> tuple[str, ...]:
    """Returns the names of a task's possible primary metrics, the best first; none for an undeclared task."""
    return TASKS[task].primary_metrics if task in TASKS else ()


def task_label(task: str) -> str:
    """Returns the name of a task in figures and tables."""
    return TASKS[task].label if task in TASKS else task[:1].upper() + task[1:]


def task_order(task: str) -> tuple[int, str]:
    """Returns a sort key: declared tasks in canonical order, then others by name."""
    return (list(TASKS).index(task) if task in TASKS else len(TASKS), task)


def primary_scores(scores: pd.DataFrame, source: str = "scores") -> pd.DataFrame:
    """Returns the rows of each task's primary metric: the best metric that all runs of the task have.

    Raises:
        ConfigurationError: The runs of a task have no such metric in common, so they cannot share a curve.
    """
    kept = []
    problems = []
    for task, rows in scores.groupby("task", sort=False):
        name = _shared_metric(str(task), rows)
        if name is None:
            problems.append(_no_shared_metric(str(task), rows, source))
        else:
            kept.append(rows[rows["metric"] == name])
    if problems:
        raise ConfigurationError(problems)
    return pd.concat(kept)


def _shared_metric(task: str, rows: pd.DataFrame) -> str | None:
    candidates: Sequence[str] = primary_metrics(task) or sorted(rows["metric"].unique())
    runs = rows["run_id"].nunique()
    shared = [name for name in candidates if rows.loc[rows["metric"] == name, "run_id"].nunique() == runs]
    if task not in TASKS and len(candidates) > 1:
        return None
    return shared[0] if shared else None


def _no_shared_metric(task: str, rows: pd.DataFrame, source: str) -> Problem:
    counts = rows.groupby("metric", sort=True)["run_id"].nunique()
    existing = ", ".join(f"{name} ({count} runs)" for name, count in counts.items())
    expected = " or ".join(primary_metrics(task)) or "one single metric"
    return Problem(
        source,
        "metric",
        None,
        f"the {rows['run_id'].nunique()} runs of {task} have no primary metric in common: {existing}",
        f"every run of {task} needs {expected}; score the other runs with it, or report on them separately",
    )
