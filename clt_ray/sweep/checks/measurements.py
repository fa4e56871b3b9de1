"""Checks what is measured and by what the checkpoint is chosen: validation, generated answers, scorers, selection."""

import re
from collections.abc import Iterator

from clt_ray.languages import ENGLISH, LANGUAGES
from clt_ray.scorers import SCORERS, scorers_for
from clt_ray.suggest import nearest
from clt_ray.sweep.catalog import TASK_SEPARATOR
from clt_ray.sweep.checks.findings import Finding, duplicates, used_tasks
from clt_ray.sweep.document import KeyPath
from clt_ray.sweep.selection import LOSS, logged_metrics, scored_metrics, selection_mode
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


METRIC: KeyPath = ("selection", "metric")
_METRIC_FORM = re.compile(r"val/(?P<task>[a-z][a-z0-9_]*)(/(?P<language>[a-z]+))?/(?P<metric>\w+)")


def check_metric(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that every run logs the selection metric, and the mode chooses its better values."""
    metric, mode = spec.selection.metric, spec.selection.mode
    finding = _metric_finding(spec)
    if finding is not None:
        yield finding
        return
    right_mode = selection_mode(metric)
    extreme = {"min": "largest", "max": "smallest"}[right_mode]
    if mode != right_mode:
        message = f"would choose the checkpoint with the {extreme} {metric.rpartition('/')[2]}"
        yield Finding(("selection", "mode"), message, f"write mode: {right_mode}", value=mode)


def check_selection_languages(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that listed selection languages are evaluation languages."""
    languages = spec.selection.languages
    if isinstance(languages, str):
        return
    path: KeyPath = ("selection", "languages")
    if not languages:
        message = "is empty, so no language would enter val/loss"
        yield Finding(path, message, "write trained, all, or a list of languages")
    for index, code in enumerate(languages):
        if code in LANGUAGES and code not in spec.eval_languages:
            yield Finding((*path, index), "is not an evaluation language", "add it to eval_languages")


def check_blind_runs(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that every run trains on an evaluation language, where its training languages choose the checkpoint."""
    evaluated = spec.eval_languages
    if spec.selection.languages != "trained" or ENGLISH in evaluated or not evaluated:
        return
    groups = spec.language_groups
    blind = [name for name in spec.used("language_group") if not set(groups.get(name, ())) & set(evaluated)]
    if 0 in spec.used("samples_per_language"):
        blind.append("English only (n = 0)")
    if blind:
        message = f"holds no training language of {', '.join(blind)}, so those runs could not choose a checkpoint"
        yield Finding(("eval_languages",), message, "add en, or list selection.languages")


def _metric_finding(spec: SweepSpec) -> Finding | None:
    """Returns why some run of the sweep would not log the selection metric; None when all runs log it."""
    metric = spec.selection.metric
    languages, generated, cells = spec.eval_languages, generated_tasks(spec), used_tasks(spec)
    if all(metric in logged_metrics(tasks, languages, generated) for tasks in cells):
        return None
    form = _METRIC_FORM.fullmatch(metric)
    task = form["task"] if form else None
    if form is None or task is None or task not in TASKS or form["metric"] not in (LOSS, *scored_metrics(task)):
        return Finding(METRIC, "is not a validation metric", _metrics_of_all_runs(spec, instead_of=metric))
    if form["language"] is not None and form["language"] not in languages:
        return Finding(METRIC, f"{form['language']!r} is not an evaluation language", "add it to eval_languages")
    without = [TASK_SEPARATOR.join(tasks) for tasks in cells if task not in tasks]
    if without:
        return Finding(METRIC, f"is not logged by runs of {', '.join(without)}", _metrics_of_all_runs(spec))
    if not generated:
        remedy = "add validation: {generate: {samples_per_language: 16}}"
        return Finding(METRIC, "is logged only with validation.generate", remedy)
    return Finding(METRIC, f"needs {task} among validation.generate.tasks", f"add {task} there")


def _metrics_of_all_runs(spec: SweepSpec, instead_of: str = "") -> str:
    """Returns a remedy: the metric nearest to a wrong name, and all metrics that every run of the sweep logs."""
    cells, generated = used_tasks(spec), generated_tasks(spec)
    shared = [task for task in TASKS if all(task in tasks for tasks in cells)]
    guess = nearest(instead_of, logged_metrics(shared, spec.eval_languages, generated)) if instead_of else None
    start = f"did you mean {guess!r}? " if guess else ""
    return f"{start}every run logs: {', '.join(logged_metrics(shared, ['<language>'], generated))}"
