"""Tasks and metrics: how they are called, on what scale they are shown, and which metric speaks for a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from clt_ray.errors import ConfigurationError, Problem


@dataclass(frozen=True)
class Metric:
    """How one metric is stored and shown."""

    name: str
    """Name in the scores file."""
    label: str
    """Name for people."""
    low: float
    """Smallest possible score, as stored."""
    high: float
    """Largest possible score, as stored."""
    shown_factor: float = 100.0
    """Shown number per stored one: fractions are shown as points from 0 to 100."""
    unit: str = "points"
    """What one shown unit is called."""
    digits: int = 1
    """Decimals worth showing."""

    @property
    def span(self) -> float:
        """Largest possible difference of two scores, as stored."""
        return self.high - self.low


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", 0.0, 1.0),
        Metric("rougeL", "ROUGE-L", 0.0, 1.0),
        Metric("rouge1", "ROUGE-1", 0.0, 1.0),
        Metric("rouge2", "ROUGE-2", 0.0, 1.0),
        Metric("reference_chrf", "chrF against the reference", 0.0, 1.0),
        Metric("fidelity", "language fidelity", 0.0, 1.0),
        Metric("judge_rating", "judge rating", 1.0, 5.0, shown_factor=1.0, unit="on the 1–5 scale", digits=2),
        Metric("judge_rating_switch_aware", "switch-aware judge rating", 1.0, 5.0, 1.0, "on the 1–5 scale", 2),
    )
}

PRIMARY = {
    "summarization": ("rougeL",),
    # The published ratings of the study count the wrong language, under the plain name.
    "instruction": ("judge_rating_switch_aware", "judge_rating", "reference_chrf"),
    "math": ("accuracy",),
}
"""Task -> the metrics that can speak for it, the better one first."""

_TASK_LABELS = {"summarization": "Summarization", "instruction": "Instruction following", "math": "Math"}


def metric(name: str) -> Metric:
    """What is known of a metric; one that is not known is taken for a fraction from 0 to 1."""
    return METRICS.get(name) or Metric(name, name, 0.0, 1.0)


def task_label(task: str) -> str:
    return _TASK_LABELS.get(task, task[:1].upper() + task[1:])


def task_order(task: str) -> tuple[int, str]:
    """Sort key: the known tasks in their canonical order, then others by name."""
    known = list(PRIMARY)
    return (known.index(task) if task in known else len(known), task)


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
    wanted: Sequence[str] = PRIMARY.get(task) or sorted(rows["metric"].unique())
    runs = rows["run_id"].nunique()
    shared = [name for name in wanted if rows.loc[rows["metric"] == name, "run_id"].nunique() == runs]
    if task not in PRIMARY and len(wanted) > 1:
        return None
    return shared[0] if shared else None


def _mixed(task: str, rows: pd.DataFrame, where: str) -> Problem:
    counts = rows.groupby("metric", sort=True)["run_id"].nunique()
    found = ", ".join(f"{name} ({count} runs)" for name, count in counts.items())
    wanted = " or ".join(PRIMARY.get(task, ())) or "one single metric"
    return Problem(
        where,
        "metric",
        None,
        f"the {rows['run_id'].nunique()} runs of {task} share no metric that could speak for the task: {found}",
        f"every run of {task} needs {wanted}; score the other runs with it, or report on them apart",
    )
