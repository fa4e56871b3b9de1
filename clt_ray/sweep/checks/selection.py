"""Choice of the checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clt_ray.errors import Problem
from clt_ray.languages import ENGLISH, LANGUAGES
from clt_ray.suggest import nearest
from clt_ray.sweep.catalog import METRICS, TASKS
from clt_ray.sweep.checks.reading import eval_languages, language_groups, texts, used, used_tasks
from clt_ray.sweep.checks.validation import generated_tasks
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.metrics import LOSS, OVERALL, is_loss, logged_metrics

METRIC: KeyPath = ("selection", "metric")
_FORM = re.compile(r"val/(?P<task>[a-z]+)(/(?P<language>[a-z]+))?/(?P<metric>\w+)")


def check_selection(document: Document) -> Iterator[Problem]:
    """The selection metric is one that every run logs, and its better values win."""
    metric = document.get(*METRIC, default=OVERALL)
    if isinstance(metric, str):
        problem = _metric(document, metric) or _mode(document, metric)
        yield from [problem] if problem else []
    if document.get("selection", "languages") == []:
        message = "is empty, so no language would enter val/loss"
        yield document.problem(("selection", "languages"), message, "write trained, all, or a list of languages")
    evaluated = eval_languages(document)
    if isinstance(document.get("selection", "languages"), list):
        for where, code in texts(document, "selection", "languages"):
            if code in LANGUAGES and code not in evaluated:
                yield document.problem(where, "is not an evaluation language", "add it to eval_languages")
    elif document.get("selection", "languages", default="trained") == "trained" and ENGLISH not in evaluated:
        yield from _without_english(document, evaluated)


def _without_english(document: Document, evaluated: list[str]) -> Iterator[Problem]:
    """Runs that train on no evaluation language would have nothing to select by."""
    groups = language_groups(document)
    blind = [name for name in used(document, "language_group") if not set(groups.get(name, ())) & set(evaluated)]
    if 0 in used(document, "samples_per_language"):
        blind.append("English only (n = 0)")
    if blind and evaluated:
        message = f"holds no training language of {', '.join(blind)}, so those runs could not choose a checkpoint"
        yield document.problem(("eval_languages",), message, "add en, or list selection.languages")


def _metric(document: Document, metric: str) -> Problem | None:
    """Why some run of the sweep would not log the metric; None when all do."""
    languages, generated, cells = eval_languages(document), generated_tasks(document), used_tasks(document)
    if all(metric in logged_metrics(tasks, languages, generated) for tasks in cells):
        return None
    form = _FORM.fullmatch(metric)
    task = form["task"] if form else None
    if form is None or task not in TASKS or form["metric"] not in (LOSS, *METRICS[task]):  # type: ignore[index]
        return document.problem(METRIC, "is not a validation metric", _known(document, metric))
    if form["language"] is not None and form["language"] not in languages:
        return document.problem(
            METRIC, f"{form['language']!r} is not an evaluation language", "add it to eval_languages"
        )
    without = ["+".join(tasks) for tasks in cells if task not in tasks]
    if without:
        return document.problem(METRIC, f"is not logged by runs of {', '.join(without)}", _known(document))
    if not generated:
        remedy = "add validation: {generate: {samples_per_language: 16}}"
        return document.problem(METRIC, "is logged only with validation.generate", remedy)
    return document.problem(METRIC, f"needs {task} among validation.generate.tasks", f"add {task} there")


def _known(document: Document, instead_of: str = "") -> str:
    """The metrics that all runs of the sweep log, the nearest first."""
    cells, generated = used_tasks(document), generated_tasks(document)
    shared = [task for task in TASKS if all(task in tasks for tasks in cells)]
    guess = nearest(instead_of, logged_metrics(shared, eval_languages(document), generated)) if instead_of else None
    start = f"did you mean {guess!r}? " if guess else ""
    return f"{start}every run logs: {', '.join(logged_metrics(shared, ['<language>'], generated))}"


def _mode(document: Document, metric: str) -> Problem | None:
    """Why the mode would choose the worst checkpoint, if it would."""
    mode = document.get("selection", "mode", default="min")
    right, extreme = ("min", "largest") if is_loss(metric) else ("max", "smallest")
    if mode not in ("min", "max") or mode == right:
        return None
    message = f"would choose the checkpoint with the {extreme} {metric.rpartition('/')[2]}"
    return document.problem(("selection", "mode"), message, f"write mode: {right}", value=mode)
