"""Attention written out, with and without a sliding window, against the definition of both."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clt_ray.training.backends.xla.attention import HIDDEN_SCORE, windowed, written_out

TOKENS, SIZE = 10, 4


def states() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, TOKENS, SIZE, generator=generator) for _ in range(3))
    return query, key, value


def by_definition(query: Tensor, key: Tensor, value: Tensor, window: int, first: int = 0) -> Tensor:
    """Attention of each query to the keys from `first` on that its window holds, one query at a time."""
    out = torch.zeros_like(query)
    for place in range(first, TOKENS):
        seen = slice(max(first, place - window + 1), place + 1)
        scores = torch.einsum("bhd,bhkd->bhk", query[:, :, place], key[:, :, seen]) / math.sqrt(SIZE)
        out[:, :, place] = torch.einsum("bhk,bhkd->bhd", scores.softmax(dim=-1), value[:, :, seen])
    return out


@pytest.mark.parametrize("window", [1, 3, TOKENS])
def test_a_query_sees_its_own_key_and_those_before_it_in_the_window(window: int) -> None:
    expected = by_definition(*states(), window)
    torch.testing.assert_close(written_out(*states(), SIZE**-0.5, None, window), expected)
    if window == TOKENS:
        torch.testing.assert_close(written_out(*states(), SIZE**-0.5, None), expected)


@pytest.mark.parametrize("window", [1, 3, TOKENS])
def test_a_window_ends_where_the_padding_of_a_mask_does(window: int) -> None:
    padding = 4
    place = torch.arange(TOKENS)
    visible = (place[None, :] <= place[:, None]) & (place[None, :] >= padding)
    mask = torch.where(visible, 0.0, HIDDEN_SCORE).expand(2, 1, TOKENS, TOKENS)
    out = written_out(*states(), SIZE**-0.5, mask, window)
    expected = by_definition(*states(), window, first=padding)
    torch.testing.assert_close(out[:, :, padding:], expected[:, :, padding:])
    assert torch.isfinite(out).all()
    assert int((windowed(mask, window) == 0).sum(dim=-1).max()) == min(window, TOKENS - padding)
