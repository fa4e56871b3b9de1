"""Embedding lookup with the vocabulary split over all chips, for one chunk of the tokens at a time.

The logits of a batch are its largest tensor: 64 rows of 2048 tokens and 128256 words take 67 GB in fp32. If they were
split by rows, as all other activations are, every chip would gather the whole embedding and the whole head, and hold
a whole gradient of both in the backward pass. Instead every chip keeps the part of a table (embedding or head) for its
words and processes all tokens, a chunk at a time, in the embedding (this module) and in the loss (`loss`):

    lookup      one-hot (rows, tokens / chunks, words / chips) x table (words / chips, hidden), summed over chips
    backward    one-hot x gradient of the vectors: local, summed over chunks, never communicated

A lookup by multiplication costs as much as computing the logits once, a few percent of a step. It is exact, since each
sum has a single term that is not zero.
"""

from typing import Any

import torch
from torch import Tensor

from clt_ray.families import VOCABULARY
from clt_ray.training.backends.xla.plan import HIDDEN
from clt_ray.training.backends.xla.slice import Slice

CHUNK_TOKENS = 16_384
"""Number of tokens, over all rows, whose tensors of vocabulary size exist at the same time."""
BY_WORD = (None, None, VOCABULARY[0])
"""Partition of tensors (rows, tokens, words)."""


def look_up(chips: Slice, table: Tensor, ids: Tensor) -> Tensor:
    """Returns the embeddings of tokens, (rows, tokens, hidden), split by rows and differentiable in the table.

    Args:
        table: Embedding, (words, hidden).
        ids: Token ids, (rows, tokens).
    """
    vectors: Tensor = _LookUp.apply(table, ids, chips)
    return vectors


def chunks(rows: int, tokens: int) -> list[slice]:
    """Returns consecutive parts of a row's tokens, of equal size and as few as `CHUNK_TOKENS` allows."""
    limit = max(1, CHUNK_TOKENS // rows)
    size = next(size for size in range(min(tokens, limit), 0, -1) if tokens % size == 0)
    return [slice(start, start + size) for start in range(0, tokens, size)]


def equals_word(words: int, ids: Tensor) -> Tensor:
    """Returns whether each token is each word, (rows, tokens, words).

    A comparison can be split by word over the chips, while indexing would gather the table.
    """
    word = torch.arange(words, device=ids.device, dtype=ids.dtype)
    return word[None, None, :] == ids[:, :, None]


def on_all_chips(chips: Slice, value: Tensor) -> Tensor:
    """Returns hidden states or their gradients, gathered from the chips that hold their rows."""
    return chips.annotate(value * 1, (None,) * value.dim())


def by_word(chips: Slice, table: Tensor) -> Tensor:
    """Returns a table (words, hidden), each chip holding the part for its words."""
    return chips.annotate(table * 1, VOCABULARY)


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor, chips: Slice) -> Tensor:
        table_part, parts = by_word(chips, table), []
        for part in chunks(*ids.shape):
            one_hot = _one_hot(chips, table, ids[:, part])
            parts.append(chips.annotate(torch.einsum("bsv,vh->bsh", one_hot, table_part), HIDDEN))
            chips.finish([table_part, *parts])
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
