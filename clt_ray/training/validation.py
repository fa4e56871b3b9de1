"""What a validation measures, by name: losses of every (task, language), scores of answers, and their means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from clt_ray.errors import RunError
from clt_ray.sweep.metrics import LOSS, OVERALL, language_metric, task_metric
from clt_ray.tasks import TaskLanguage
from clt_ray.training.loss import completion_nll

ScoreAnswers = Callable[[Any], Mapping[TaskLanguage, Mapping[str, float]]]
"""Lets a model answer some validation rows: (task, language) -> metric -> mean score. Where there are several
processes, each of them calls it."""


def selection_cells(cells: Iterable[TaskLanguage], languages: Sequence[str]) -> list[TaskLanguage]:
    """The cells whose losses enter `val/loss`.

    Raises:
        RunError: None of the languages has validation rows, so there would be nothing to select by.
    """
    chosen = [cell for cell in cells if cell[1] in languages]
    if not chosen:
        raise RunError(f"no validation rows in the selection languages {', '.join(languages)}")
    return chosen


def summarise(
    totals: Mapping[TaskLanguage, tuple[float, int]], languages: Sequence[str], tasks: Sequence[str]
) -> dict[str, float]:
    """Named metrics from summed losses.

    A cell's loss is the mean over its labelled tokens. `val/loss` is the unweighted mean over the cells in
    `languages`, and `val/<task>/loss` over those of a task, so a language with longer rows does not decide alone.

    Args:
        totals: Summed negative log-likelihood and number of labelled tokens of each cell.
        languages: Languages that enter the means.
        tasks: Tasks of the run.
    """
    losses = {cell: total / tokens for cell, (total, tokens) in totals.items() if tokens}
    chosen = selection_cells(losses, languages)
    overall = sum(losses[cell] for cell in chosen) / len(chosen)
    return {OVERALL: overall} | named({cell: {LOSS: loss} for cell, loss in losses.items()}, languages, tasks)


def named(
    measured: Mapping[TaskLanguage, Mapping[str, float]], languages: Sequence[str], tasks: Sequence[str]
) -> dict[str, float]:
    """Metrics under the names they are logged by, with each task's mean.

    Args:
        measured: (task, language) -> metric -> value.
        languages: Languages that enter the means, those of them that were measured.
        tasks: Tasks of the run.
    """
    metrics = {
        language_metric(task, language, metric): value
        for (task, language), values in measured.items()
        for metric, value in values.items()
    }
    means: dict[str, list[float]] = {}
    for (task, language), values in measured.items():
        if task in tasks and language in languages:
            for metric, value in values.items():
                means.setdefault(task_metric(task, metric), []).append(value)
    return metrics | {name: sum(values) / len(values) for name, values in means.items()}


def require_metric(metric: str, cells: Iterable[TaskLanguage], languages: Sequence[str]) -> None:
    """Refuse a run whose rows cannot give the metric that its checkpoint is chosen by.

    Args:
        metric: A name that the sweep file's check has accepted for the run's tasks and evaluation languages.
        cells: (task, language) of the validation rows that there are.
        languages: Selection languages.

    Raises:
        RunError: The metric's language, or every language of its mean, is without validation rows.
    """
    there = list(cells)
    chosen = selection_cells(there, languages)
    match metric.split("/"):
        case [_, task, language, _]:
            found = (task, language) in there
        case [_, task, _]:
            found = any(cell[0] == task for cell in chosen)
        case _:
            found = True
    if not found:
        known = ", ".join(sorted("/".join(cell) for cell in there))
        raise RunError(f"{metric} would never be recorded: there are validation rows of {known} only")


@torch.no_grad()
def summed_losses(
    model: Any, batches: Iterable[tuple[Sequence[TaskLanguage], dict[str, Tensor]]]
) -> dict[TaskLanguage, tuple[float, int]]:
    """Total loss and labelled tokens of each cell over batches that may mix cells.

    Args:
        model: In evaluation mode, on the device of the batches.
        batches: The cell of each row, and the collated rows.
    """
    totals: dict[TaskLanguage, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for cells, batch in batches:
        nll, rows = completion_nll(model, batch)
        per_row = torch.zeros(len(cells), dtype=torch.float64, device=nll.device)
        per_row.index_add_(0, rows, nll.double())
        counts = torch.bincount(rows, minlength=len(cells))
        for cell, loss, count in zip(cells, per_row.tolist(), counts.tolist(), strict=True):
            total, tokens = totals[cell]
            totals[cell] = (total + loss, tokens + count)
    return dict(totals)
