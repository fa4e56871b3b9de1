"""Choice of the checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clt_ray.errors import Problem
from clt_ray.languages import ENGLISH, LANGUAGES
from clt_ray.sweep.catalog import TASKS
from clt_ray.sweep.checks.reading import eval_languages, language_groups, texts, used, used_tasks
from clt_ray.sweep.document import Document, KeyPath

_METRIC = re.compile(r"val(/(?P<task>[a-z]+)(/(?P<language>[a-z]+))?)?/loss")
_FORMS = "val/loss, val/<task>/loss or val/<task>/<language>/loss"


def check_selection(document: Document) -> Iterator[Problem]:
    """The selection metric is one that every run logs, and is minimised."""
    metric = document.get("selection", "metric", default="val/loss")
    if isinstance(metric, str):
        yield from _metric(document, metric)
    if document.get("selection", "mode") == "max":
        message = "would choose the checkpoint with the largest loss"
        yield document.problem(("selection", "mode"), message, "write mode: min")
    if document.get("selection", "languages") == []:
        message = "is empty, so no loss would enter val/loss"
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


def _metric(document: Document, metric: str) -> Iterator[Problem]:
    path: KeyPath = ("selection", "metric")
    match = _METRIC.fullmatch(metric)
    if match is None or (match["task"] is not None and match["task"] not in TASKS):
        yield document.problem(path, "is not a validation metric", f"write {_FORMS}")
        return
    task, language = match["task"], match["language"]
    without = ["+".join(tasks) for tasks in used_tasks(document) if task is not None and task not in tasks]
    if without:
        yield document.problem(path, f"is not logged by runs of {', '.join(without)}", "write val/loss")
    if language is not None and language not in eval_languages(document):
        yield document.problem(path, f"{language!r} is not an evaluation language", "add it to eval_languages")
    elif task is not None and language is None and any(len(tasks) == 1 for tasks in used_tasks(document)):
        yield document.problem(path, "is logged by mixed cells only", "write val/loss")
