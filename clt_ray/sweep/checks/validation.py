"""Checks what is measured: answers that are generated and scored, gradient agreement, scorers of other packages."""

from collections.abc import Iterator

from clt_ray.scorers import SCORERS, scorers_for
from clt_ray.sweep.checks.findings import Finding, duplicates, used_tasks
from clt_ray.sweep.document import KeyPath
from clt_ray.sweep.spec import SweepSpec
from clt_ray.tasks import TASKS

GENERATE: KeyPath = ("validation", "generate")
SCORERS_KEY: KeyPath = ("evaluation", "scorers")
FEWEST_ROWS = 2
"""Fewest validation rows per task and language that can be split into two halves."""


def generated_tasks(spec: SweepSpec) -> tuple[str, ...]:
    """Returns the tasks whose validation rows are answered and scored; none without `validation.generate`."""
    generate = spec.validation.generate
    if generate is None:
        return ()
    return tuple(TASKS) if generate.tasks is None else generate.tasks


def check_generated_tasks(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that the tasks to score are listed once each, and there are some."""
    if spec.validation.generate is not None and not generated_tasks(spec):
        yield Finding((*GENERATE, "tasks"), "is empty", "list tasks, or remove it for all of them")
    yield from duplicates((*GENERATE, "tasks"), generated_tasks(spec))


def check_generated_rows(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that rows to answer are among the validation rows."""
    generate, most = spec.validation.generate, spec.validation.samples_per_language
    if generate is not None and generate.samples_per_language > most:
        path, rows = (*GENERATE, "samples_per_language"), generate.samples_per_language
        remedy = f"write {most} or less, or raise validation.samples_per_language"
        yield Finding(path, f"is more than the {most} validation rows", remedy, value=rows)


def check_generation_steps(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that answers are generated at steps where there is a validation."""
    generate, interval = spec.validation.generate, spec.training.eval_every
    if generate is not None and generate.every is not None and generate.every % interval:
        message = f"is not a multiple of training.eval_every, {interval}"
        yield Finding((*GENERATE, "every"), message, f"write {multiples_around(generate.every, interval)}")


def check_gradient_agreement(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that runs that measure gradient agreement have two halves of validation rows to measure its noise on."""
    rows = spec.validation.samples_per_language
    if spec.training.gradient_agreement_every and rows < FEWEST_ROWS:
        yield Finding(
            ("training", "gradient_agreement_every"),
            f"is measured on validation rows in two halves, and there is {rows} row per task and language",
            f"write validation: {{samples_per_language: {FEWEST_ROWS}}} or more, or write 0 here",
        )


def check_scorers(spec: SweepSpec) -> Iterator[Finding]:
    """Each scorer is listed once, scores a task of the sweep, and has metrics of its own."""
    names = spec.evaluation.scorers
    yield from duplicates(SCORERS_KEY, names)
    tasks = {task for cell in used_tasks(spec) for task in cell}
    owners = {metric.name: f"task {name}" for name in TASKS for metric in TASKS[name].all_metrics}
    for index, name in enumerate(dict.fromkeys(names)):
        if tasks and not scorers_for(tasks, [name]):
            yield Finding((*SCORERS_KEY, index), "scores no task of the sweep", "remove it, or change grid.task")
        for metric in SCORERS.require(name).metrics:
            owner = owners.setdefault(metric.name, f"scorer {name}")
            if owner != f"scorer {name}":
                message = f"declares the metric {metric.name}, which the {owner} has already"
                yield Finding((*SCORERS_KEY, index), message, "leave one of the two out")


def multiples_around(number: int, divisor: int) -> str:
    """Returns the positive multiples of `divisor` next to a number that is not a multiple: "50 or 100"."""
    lower = number // divisor * divisor
    return f"{lower} or {lower + divisor}" if lower else str(divisor)
