"""Generated answers among the validation metrics."""

from __future__ import annotations

from collections.abc import Iterator

from clt_ray.errors import Problem
from clt_ray.sweep.catalog import TASKS
from clt_ray.sweep.checks.names import duplicates
from clt_ray.sweep.checks.reading import texts
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.sections import GenerateSpec, TrainingSpec, ValidationSpec

GENERATE: KeyPath = ("validation", "generate")


def generated_tasks(document: Document) -> tuple[str, ...]:
    """Tasks whose validation rows are answered and scored; none without `validation.generate`."""
    if not document.has(*GENERATE) or document.get(*GENERATE) is None:
        return ()
    if document.get(*GENERATE, "tasks") is None:
        return TASKS
    return tuple(task for _, task in texts(document, *GENERATE, "tasks"))


def check_validation(document: Document) -> Iterator[Problem]:
    """Rows to answer are among the validation rows, and answered when there is a validation."""
    if not generated_tasks(document):
        if document.get(*GENERATE, "tasks") == []:
            yield document.problem((*GENERATE, "tasks"), "is empty", "list tasks, or remove it for all of them")
        return
    rows = document.get(*GENERATE, "samples_per_language", default=GenerateSpec().samples_per_language)
    all_rows = document.get("validation", "samples_per_language", default=ValidationSpec().samples_per_language)
    if type(rows) is int and type(all_rows) is int and rows > all_rows > 0:
        message = f"is more than the {all_rows} validation rows"
        remedy = f"write {all_rows} or less, or raise validation.samples_per_language"
        yield document.problem((*GENERATE, "samples_per_language"), message, remedy, value=rows)
    every = document.get(*GENERATE, "every")
    interval = document.get("training", "eval_every", default=TrainingSpec().eval_every)
    if type(every) is int and type(interval) is int and interval > 0 and every > 0 and every % interval:
        lower, upper = every // interval * interval, (every // interval + 1) * interval
        choices = f"{lower} or {upper}" if lower else str(upper)
        message = f"is not a multiple of training.eval_every, {interval}"
        yield document.problem((*GENERATE, "every"), message, f"write {choices}")
    yield from duplicates(document, texts(document, *GENERATE, "tasks"))
