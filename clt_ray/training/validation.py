"""The loss of completions, and the metrics of a validation: losses and scores of each task-language pair, and means."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clt_ray.data.formatting import IGNORED
from clt_ray.errors import RunError
from clt_ray.sweep.selection import LOSS, OVERALL, language_metric, task_metric
from clt_ray.tasks import TaskLanguage

ScoreAnswers = Callable[[Any], Mapping[TaskLanguage, Mapping[str, float]]]
"""Lets a model answer some validation rows: task-language pair -> metric -> mean score. All processes of a run call
it."""


def completion_nll(model: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Returns the negative log-likelihood of each labelled token, in nats.

    The language-model head runs only from the earliest labelled position of the batch on, because prompts are most of
    a row and need no logits.

    Args:
        batch: `input_ids`, `attention_mask`, `labels`, each (rows, tokens); labels are -100 on prompt and padding.

    Returns:
        nll: (labelled tokens,) in float32, in row-major order.
        rows: (labelled tokens,) the row that each token belongs to.
    """
    targets = batch["labels"][:, 1:]
    labelled = targets != IGNORED
    columns = labelled.any(dim=0).nonzero()
    # A batch without labels keeps one position, so that every process still runs the head.
    first = int(columns[0]) if len(columns) else targets.shape[1] - 1
    keep = torch.arange(first, targets.shape[1], device=targets.device)
    logits = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], logits_to_keep=keep, use_cache=False
    ).logits
    kept = labelled[:, first:]
    nll = cross_entropy(logits[kept].float(), targets[:, first:][kept], reduction="none")
    return nll, kept.nonzero()[:, 0]


def selection_pairs(pairs: Iterable[TaskLanguage], languages: Sequence[str]) -> list[TaskLanguage]:
    """Returns the task-language pairs whose losses enter `val/loss`.

    Raises:
        RunError: None of the languages has validation rows, so there would be nothing to select by.
    """
    selected = [pair for pair in pairs if pair.language in languages]
    if not selected:
        raise RunError(f"no validation rows in the selection languages {', '.join(languages)}")
    return selected


def summarise(
    totals: Mapping[TaskLanguage, tuple[float, int]], languages: Sequence[str], tasks: Sequence[str]
) -> dict[str, float]:
    """Returns the named metrics of a validation from the summed loss and the labelled tokens of each pair.

    The loss of a task-language pair is the mean over its labelled tokens, in nats. `val/loss` is the unweighted mean
    over the pairs in `languages`, and `val/<task>/loss` over the pairs of a task, so that a language with longer rows
    has no more weight than another.
    """
    losses = {pair: total / tokens for pair, (total, tokens) in totals.items() if tokens}
    selected = selection_pairs(losses, languages)
    overall = sum(losses[pair] for pair in selected) / len(selected)
    return {OVERALL: overall} | named({pair: {LOSS: loss} for pair, loss in losses.items()}, languages, tasks)


def named(
    measured: Mapping[TaskLanguage, Mapping[str, float]], languages: Sequence[str], tasks: Sequence[str]
) -> dict[str, float]:
    """Returns metrics under their logged names, with the mean of each task over those languages that were measured."""
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


def require_metric(metric: str, pairs: Iterable[TaskLanguage], languages: Sequence[str]) -> None:
    """Rejects a run whose rows cannot give the metric, valid in its sweep file, by which its checkpoint is chosen.

    Raises:
        RunError: The metric's language, or every language of its mean, has no validation rows.
    """
    available = list(pairs)
    selected = selection_pairs(available, languages)
    match metric.split("/"):
        case [_, task, language, _]:
            is_recorded = (task, language) in available
        case [_, task, _]:
            is_recorded = any(pair.task == task for pair in selected)
        case _:
            is_recorded = True
    if not is_recorded:
        names = ", ".join(sorted("/".join(pair) for pair in available))
        raise RunError(f"{metric} would never be recorded: there are validation rows of {names} only")


@torch.no_grad()
def summed_losses(
    model: Any, batches: Iterable[tuple[Sequence[TaskLanguage], dict[str, Tensor]]]
) -> dict[TaskLanguage, tuple[float, int]]:
    """Returns the summed loss in nats and the labelled tokens of each pair, with a model in evaluation mode."""
    totals: dict[TaskLanguage, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for pairs, batch in batches:
        nll, rows = completion_nll(model, batch)
        per_row = torch.zeros(len(pairs), dtype=torch.float64, device=nll.device)
        per_row.index_add_(0, rows, nll.double())
        counts = torch.bincount(rows, minlength=len(pairs))
        for pair, loss, count in zip(pairs, per_row.tolist(), counts.tolist(), strict=True):
            total, tokens = totals[pair]
            totals[pair] = (total + loss, tokens + count)
    return dict(totals)
