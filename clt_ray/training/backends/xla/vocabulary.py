"""Tensors with one entry per word, kept small: split by word over all chips, for one chunk of the tokens at a time.

The logits of a batch are its largest tensor: 64 rows of 2048 tokens and 128256 words are 67 GB in fp32. Split by
rows, as everything else is, the two tables of a model would be gathered whole on every chip, and going backward each
chip would hold a whole gradient of both. Here every chip keeps its own words' part of a table and sees all tokens,
a chunk at a time, in the embedding (this module) as in the loss (`loss`):

    lookup      one-hot (rows, tokens / chunks, words / chips) x table (words / chips, hidden), summed over chips
    backward    one-hot x gradient of what was looked up: local, summed over chunks, never communicated

Looking up by multiplication costs as much as computing logits once, a few percent of a step, and is exact: each sum
has one term that is not zero.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clt_ray.families import VOCABULARY
from clt_ray.training.backends.xla.plan import HIDDEN
from clt_ray.training.backends.xla.slice import Slice

CHUNK_TOKENS = 16_384
"""Tokens, over all rows, whose word-sized tensors exist at a time."""
BY_WORD = (None, None, VOCABULARY[0])
"""Partition of (rows, tokens, words)."""


def look_up(chips: Slice, table: Tensor, ids: Tensor) -> Tensor:
    """Embeddings of tokens, (rows, tokens, hidden), split by rows; differentiable in the table.

    Args:
        chips: Of the model.
        table: (words, hidden).
        ids: (rows, tokens).
    """
    vectors: Tensor = _LookUp.apply(table, ids, chips)
    return vectors


def chunks(rows: int, tokens: int) -> list[slice]:
    """Consecutive parts of equal size of a row's tokens, as few as `CHUNK_TOKENS` allows."""
    limit = max(1, CHUNK_TOKENS // rows)
    size = next(size for size in range(min(tokens, limit), 0, -1) if tokens % size == 0)
    return [slice(start, start + size) for start in range(0, tokens, size)]


def equals_word(words: int, ids: Tensor) -> Tensor:
    """Whether each token is each word, (rows, tokens, words); comparing splits by word, indexing would gather."""
    word = torch.arange(words, device=ids.device, dtype=ids.dtype)
    return word[None, None, :] == ids[:, :, None]


def on_all_chips(chips: Slice, value: Tensor) -> Tensor:
    """Hidden states or their gradients, gathered from the chips that hold their rows."""
    return chips.annotate(value * 1, (None,) * value.dim())


def by_word(chips: Slice, table: Tensor) -> Tensor:
    """A table (words, hidden), every chip holding its words."""
    return chips.annotate(table * 1, VOCABULARY)


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor, chips: Slice) -> Tensor:
        own, parts = by_word(chips, table), []
        for part in chunks(*ids.shape):
            one_hot = _one_hot(chips, table, ids[:, part])
            parts.append(chips.annotate(torch.einsum("bsv,vh->bsh", one_hot, own), HIDDEN))
            chips.finish([own, *parts])
        ctx.save_for_backward(table, ids)
        ctx.chips = chips
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (table, ids), chips = ctx.saved_tensors, ctx.chips
        gradient = chips.annotate(gradients[0] * 1, HIDDEN)
        total = chips.annotate(torch.zeros_like(table, dtype=torch.float32), VOCABULARY)
        for part in chunks(*ids.shape):
            one_hot = _one_hot(chips, table, ids[:, part])
            step = torch.einsum("bsv,bsh->vh", one_hot, on_all_chips(chips, gradient[:, part])).float()
            total = chips.annotate(total + step, VOCABULARY)
            chips.finish([gradient, total])
        return total.to(table.dtype), None, None


def _one_hot(chips: Slice, table: Tensor, ids: Tensor) -> Tensor:
    return chips.annotate(equals_word(table.shape[0], ids).to(table.dtype), BY_WORD)
