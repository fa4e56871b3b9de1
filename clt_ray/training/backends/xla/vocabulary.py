"""Embedding lookup and loss with the vocabulary split over all chips, for one chunk of the tokens at a time.

The logits of a batch are its largest tensor: 64 rows of 2048 tokens and 128256 words take 67 GB in fp32. If they were
split by rows, as all other activations are, every chip would gather the whole embedding and the whole head, and hold
a whole gradient of both in the backward pass. Instead every chip keeps the part of a table (embedding or head) for its
words and processes all tokens, a chunk at a time:

    lookup      one-hot (rows, tokens / chunks, words / chips) x table (words / chips, hidden), summed over chips
    backward    one-hot x gradient of the vectors: local, summed over chunks, never communicated

A lookup by multiplication costs as much as computing the logits once, a few percent of a step. It is exact, since each
sum has a single term that is not zero. The loss goes through these values:

    hidden chunk (rows, tokens / chunks, hidden)       gathered
    logits (rows, tokens / chunks, words / chips)      local, fp32
    log-sum-exp, logit of the target                   summed over chips: one number per token
    gradient of the head (words / chips, hidden)       local, summed over chunks
    gradient of the hidden chunk                       summed over chips, split by rows again

Gradients of the loss are computed in the forward pass, while the logits exist, so no tensor of the size of the
vocabulary is kept for the backward pass, and no logits are computed twice.
"""

from typing import Any

import torch
from torch import Tensor

from clt_ray.data.formatting import IGNORED
from clt_ray.families import VOCABULARY
from clt_ray.training.backends.xla.plan import HIDDEN
from clt_ray.training.backends.xla.slice import Slice

CHUNK_TOKENS = 16_384
"""Number of tokens, over all rows, whose tensors of vocabulary size exist at the same time."""
BY_WORD = (None, None, VOCABULARY[0])
"""Partition of tensors (rows, tokens, words)."""


def look_up(chips: Slice, table: Tensor, ids: Tensor) -> Tensor:
    """Returns the embeddings of tokens, (rows, tokens, hidden), split by rows and differentiable in the table."""
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


def summed_nll(chips: Slice, hidden: Tensor, head: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Returns the negative log-likelihood summed over all labelled tokens, a differentiable scalar in fp32.

    Args:
        hidden: Output of the last layer, (rows, tokens, hidden).
        head: Language-model head, (words, hidden).
        labels: Labels of the tokens, (rows, tokens), -100 where there is none; they are shifted here.
    """
    total: Tensor = _SummedNll.apply(hidden, head, next_tokens(labels), scale, chips)
    return total


@torch.no_grad()
def nll_per_row(chips: Slice, hidden: Tensor, head: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Returns the sums of `summed_nll` per row, (rows,) in fp32, without gradients."""
    head_part, targets = by_word(chips, head), next_tokens(labels)
    hidden = chips.annotate(hidden * 1, HIDDEN)
    total = torch.zeros(labels.shape[0], dtype=torch.float32, device=hidden.device)
    for part in chunks(*labels.shape):
        logits = _logits(chips, on_all_chips(chips, hidden[:, part]), head_part, scale)
        nll, _, _ = _nll(logits, targets[:, part])
        total = total + nll.sum(dim=1)
        chips.finish([hidden, total])
    return chips.annotate(total, (None,))


def next_tokens(labels: Tensor) -> Tensor:
    """Returns the token to predict at each position: labels shifted left, and none at the last position."""
    ignored = torch.full_like(labels[:, :1], IGNORED)
    return torch.cat([labels[:, 1:], ignored], dim=1)


def _logits(chips: Slice, hidden: Tensor, head_part: Tensor, scale: float) -> Tensor:
    logits = torch.einsum("bsh,vh->bsv", hidden, head_part).float() * scale
    return chips.annotate(logits, BY_WORD)


def _nll(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns per token its loss (0 without a label), the log-sum-exp of its logits, and which word is the target."""
    is_target = equals_word(logits.shape[-1], targets)
    log_total = torch.logsumexp(logits, dim=-1)
    target_logit = torch.where(is_target, logits, torch.zeros_like(logits)).sum(dim=-1)
    nll = torch.where(targets == IGNORED, torch.zeros_like(log_total), log_total - target_logit)
    return nll, log_total, is_target


class _SummedNll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, scale: float, chips: Slice) -> Tensor:
        head_part, hidden = by_word(chips, head), chips.annotate(hidden * 1, HIDDEN)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        head_gradient = chips.annotate(torch.zeros_like(head_part, dtype=torch.float32), VOCABULARY)
        hidden_gradients = []
        for part in chunks(*targets.shape):
            gathered = on_all_chips(chips, hidden[:, part])
            logits = _logits(chips, gathered, head_part, scale)
            nll, log_total, is_target = _nll(logits, targets[:, part])
            total = total + nll.sum()
            labelled = (targets[:, part] != IGNORED)[:, :, None]
            gradient = (torch.exp(logits - log_total[:, :, None]) - is_target.float()) * scale
            gradient = torch.where(labelled, gradient, torch.zeros_like(gradient)).to(head.dtype)
            chunk_gradient = torch.einsum("bsv,bsh->vh", gradient, gathered).float()
            head_gradient = chips.annotate(head_gradient + chunk_gradient, VOCABULARY)
            hidden_gradients.append(chips.annotate(torch.einsum("bsv,vh->bsh", gradient, head_part), HIDDEN))
            chips.finish([hidden, total, head_gradient, *hidden_gradients])
        ctx.save_for_backward(torch.cat(hidden_gradients, dim=1), head_gradient)
        ctx.head_type = head.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        hidden_gradient, head_gradient = ctx.saved_tensors
        (factor,) = gradients
        hidden = hidden_gradient * factor.to(hidden_gradient.dtype)
        return hidden, (head_gradient * factor).to(ctx.head_type), None, None, None
