"""Checks the scorers of other packages that a sweep adds to its evaluation."""

from collections.abc import Iterator

from clt_ray.scorers import scorer_of, scorers_for
from clt_ray.sweep.checks.findings import Finding, duplicates, used_tasks
from clt_ray.sweep.document import KeyPath
from clt_ray.sweep.spec import SweepSpec
from clt_ray.tasks import TASKS

SCORERS: KeyPath = ("evaluation", "scorers")


def check_scorers(spec: SweepSpec) -> Iterator[Finding]:
    """Each scorer is listed once, scores a task of the sweep, and has metrics of its own."""
    names = spec.evaluation.scorers
    yield from duplicates(SCORERS, names)
    tasks = {task for cell in used_tasks(spec) for task in cell}
    owners = {metric.name: f"task {name}" for name in TASKS for metric in TASKS[name].all_metrics}
    for index, name in enumerate(dict.fromkeys(names)):
        if tasks and not scorers_for(tasks, [name]):
            yield Finding((*SCORERS, index), "scores no task of the sweep", "remove it, or change grid.task")
        for metric in scorer_of(name).metrics:
            owner = owners.setdefault(metric.name, f"scorer {name}")
            if owner != f"scorer {name}":
                message = f"declares the metric {metric.name}, which the {owner} has already"
                yield Finding((*SCORERS, index), message, "leave one of the two out")
