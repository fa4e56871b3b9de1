"""Validation loss of every (task, language), and the one number that selection reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from clt_ray.errors import RunError
from clt_ray.training.loss import completion_nll

Cell = tuple[str, str]
"""(task, language)."""


def selection_cells(cells: Iterable[Cell], languages: Sequence[str]) -> list[Cell]:
    """The cells whose losses enter `val/loss`.

    Raises:
        RunError: None of the languages has validation rows, so there would be nothing to select by.
    """
    chosen = [cell for cell in cells if cell[1] in languages]
    if not chosen:
        raise RunError(f"no validation rows in the selection languages {', '.join(languages)}")
    return chosen


def summarise(
    totals: Mapping[Cell, tuple[float, int]], languages: Sequence[str], tasks: Sequence[str]
) -> dict[str, float]:
    """Named metrics from summed losses.

    A cell's loss is the mean over its labelled tokens. `val/loss` is the unweighted mean over the cells in
    `languages`, so a language with longer rows does not decide alone.

    Args:
        totals: Summed negative log-likelihood and number of labelled tokens of each cell.
        languages: Languages that enter `val/loss`.
        tasks: Tasks of the run; with several, each also gets `val/<task>/loss`.
    """
    losses = {cell: total / tokens for cell, (total, tokens) in totals.items() if tokens}
    metrics = {f"val/{task}/{language}/loss": loss for (task, language), loss in losses.items()}
    chosen = selection_cells(losses, languages)
    metrics["val/loss"] = sum(losses[cell] for cell in chosen) / len(chosen)
    for task in tasks if len(tasks) > 1 else ():
        own = [losses[cell] for cell in chosen if cell[0] == task]
        if own:
            metrics[f"val/{task}/loss"] = sum(own) / len(own)
    return metrics


@torch.no_grad()
def summed_losses(
    model: Any, batches: Iterable[tuple[Sequence[Cell], dict[str, Tensor]]]
) -> dict[Cell, tuple[float, int]]:
    """Total loss and labelled tokens of each cell over batches that may mix cells.

    Args:
        model: In evaluation mode, on the device of the batches.
        batches: The cell of each row, and the collated rows.
    """
    totals: dict[Cell, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for cells, batch in batches:
        nll, rows = completion_nll(model, batch)
        per_row = torch.zeros(len(cells), dtype=torch.float64, device=nll.device)
        per_row.index_add_(0, rows, nll.double())
        counts = torch.bincount(rows, minlength=len(cells))
        for cell, loss, count in zip(cells, per_row.tolist(), counts.tolist(), strict=True):
            total, tokens = totals[cell]
            totals[cell] = (total + loss, tokens + count)
    return dict(totals)
