"""Shapes that batches are padded to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.data.formatting import IGNORED, Encoded
from clt_ray.training.backends.xla.buckets import TILE_TOKENS, fit, width_for, widths
from clt_ray.training.batches import collate


def test_the_ladder_of_the_study() -> None:
    assert widths(2048) == (128, 256, 512, 1024, 1536, 2048)


@given(st.integers(1, 10_000))
def test_every_row_fits_and_few_widths_exist(longest: int) -> None:
    ladder = widths(longest)
    assert ladder[-1] >= longest and len(ladder) <= 2 + longest.bit_length()
    assert all(width % TILE_TOKENS == 0 for width in ladder)
    assert list(ladder) == sorted(set(ladder))


@given(st.integers(1, 4096))
def test_at_most_half_of_a_row_longer_than_a_tile_is_padding(length: int) -> None:
    width = width_for(length, widths(4096))
    assert length <= width < max(2 * length, TILE_TOKENS + 1)


def test_a_row_that_fits_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="600 tokens"):
        width_for(600, (128, 512))


@given(st.lists(st.integers(1, 200), min_size=1, max_size=5), st.integers(0, 3))
def test_padding_adds_no_label_and_loses_no_token(lengths: list[int], extra_rows: int) -> None:
    rows = [Encoded(list(range(1, length + 1)), [IGNORED, *range(2, length + 1)]) for length in lengths]
    width = width_for(max(lengths), widths(200))
    batch = fit(collate(rows, pad_id=0), len(rows) + extra_rows, width, pad_id=0)
    assert all(tensor.shape == (len(rows) + extra_rows, width) for tensor in batch.values())
    for index, row in enumerate(rows):
        length = len(row.input_ids)
        assert batch["input_ids"][index, :length].tolist() == row.input_ids
        assert batch["labels"][index, :length].tolist() == row.labels
    assert int((batch["labels"] != IGNORED).sum()) == sum(length - 1 for length in lengths)
    assert int(batch["attention_mask"].sum()) == sum(lengths)
    assert torch.equal(batch["input_ids"] != 0, batch["attention_mask"] == 1)
