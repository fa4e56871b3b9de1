"""Cross-entropy of completions, which is both the training loss and the validation loss."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clt_ray.data.formatting import IGNORED


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
