"""Scorers that other packages add to the evaluation of the chosen checkpoint.

A sweep file names them (`evaluation: {scorers: [length]}`); an entry point of the group `clt_ray.scorers` gives one.
There are two kinds:

* an `ItemScorer` scores every output of some tasks against its reference, beside the task's own scorer;
* a `CheckpointScorer` gets the chosen checkpoint as a Hugging Face directory and returns scores of its own, for example
  those of a task of lm-evaluation-harness.

docs/extend.md has a recipe for each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from clt_ray.plugins import Registry
from clt_ray.tasks import TASKS, Metric, ScoreFunction


@dataclass(frozen=True)
class ItemScorer:
    """Scores single outputs against their references."""

    name: str
    """Name in the sweep file."""
    metrics: tuple[Metric, ...]
    """Metrics that `score` returns; their names must not be those of the tasks' own metrics."""
    score: ScoreFunction | str
    """Function (prediction, reference, language code) -> {metric: value}, or where it is: `module:function`."""
    tasks: tuple[str, ...] | None = None
    """Names of the tasks whose outputs are scored; None is every task."""
    version: int = 1
    """Number that enters the run ids of runs with this scorer: raise it when it gives other scores."""


@dataclass(frozen=True)
class CheckpointScore:
    """A score that a checkpoint scorer measured: one row of scores.csv."""

    task: str
    """Name of what was measured: a task, or another name such as that of a benchmark."""
    language: str
    """ISO 639-1 code."""
    metric: str
    """Name of a metric that the scorer declares."""
    score: float
    """Mean over the items, in the metric's range."""
    stderr: float = nan
    """Standard error of the mean; nan where it is unknown."""
    n_items: int = 1


@dataclass(frozen=True)
class CheckpointScorer:
    """Scores the chosen checkpoint of a run as a whole."""

    name: str
    """Name in the sweep file."""
    metrics: tuple[Metric, ...]
    """Metrics of the rows that `score` returns."""
    score: Callable[[Path, Any], Iterable[CheckpointScore]] | str
    """Function (directory, run) -> rows, or where it is: `module:function`. The directory holds the checkpoint as a
    Hugging Face model (safetensors, configuration, tokenizer), the run is a `clt_ray.sweep.run.RunSpec`."""
    version: int = 1
    """Number that enters the run ids of runs with this scorer: raise it when it gives other scores."""


Scorer = ItemScorer | CheckpointScorer

SCORERS: Registry[Scorer] = Registry("clt_ray.scorers", (ItemScorer, CheckpointScorer), ())
"""All scorers that a sweep file can name, by name."""


def scorers_for(tasks: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Returns those of the named scorers that score a run of these tasks, sorted and each once.

    Raises:
        UnknownNameError: No installed package declares one of them.
    """
    run_tasks = set(tasks)
    declarations = (SCORERS.require(name) for name in sorted(set(names)))
    return tuple(
        scorer.name
        for scorer in declarations
        if isinstance(scorer, CheckpointScorer) or scorer.tasks is None or run_tasks & set(scorer.tasks)
    )


def declared_metrics() -> dict[str, Metric]:
    """Returns all metrics that tasks and scorers declare, by name; a task's comes before a scorer's of that name."""
    of_tasks = {metric.name: metric for task in TASKS.values() for metric in task.all_metrics}
    of_scorers = {metric.name: metric for scorer in SCORERS.values() for metric in scorer.metrics}
    return of_scorers | of_tasks
