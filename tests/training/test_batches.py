"""The order of batches is a pure function of seed, epoch and step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.data.formatting import IGNORED, Encoded
from clt_ray.training.batches import collate, epoch_batches, epoch_order, steps_per_epoch


@given(st.integers(1, 300), st.integers(0, 2**40), st.integers(0, 50))
def test_an_epoch_visits_every_row_once(n_rows: int, seed: int, epoch: int) -> None:
    assert sorted(epoch_order(n_rows, seed, epoch)) == list(range(n_rows))


LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=120)


@given(LENGTHS, st.integers(1, 17), st.integers(0, 100), st.integers(0, 5), st.integers(1, 9))
def test_the_batches_of_an_epoch_hold_every_row_once(
    lengths: list[int], batch_size: int, seed: int, epoch: int, window: int
) -> None:
    batches = epoch_batches(lengths, batch_size, seed, epoch, window)
    assert len(batches) == steps_per_epoch(len(lengths), batch_size)
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    if window == 1:
        assert np.array_equal(np.concatenate(batches), epoch_order(len(lengths), seed, epoch))


@given(LENGTHS, st.integers(1, 17), st.integers(0, 100), st.integers(2, 9))
def test_sorting_within_windows_pads_no_more_than_random_batches(
    lengths: list[int], batch_size: int, seed: int, window: int
) -> None:
    def tokens(window: int) -> int:
        return sum(len(batch) * max(lengths[row] for row in batch)
                   for batch in epoch_batches(lengths, batch_size, seed, 0, window))  # fmt: skip

    assert sum(lengths) <= tokens(window) <= tokens(1)


def test_the_order_is_this_one_on_every_machine() -> None:
    assert epoch_order(8, seed=0, epoch=0).tolist() == [6, 5, 1, 4, 3, 2, 7, 0]
    assert epoch_order(8, seed=1, epoch=3).tolist() == [0, 3, 1, 5, 4, 7, 6, 2]


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_rows_are_padded_on_the_right() -> None:
    batch = collate([Encoded([5, 6, 7], [IGNORED, 6, 7]), Encoded([8], [8])], pad_id=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7], [8, IGNORED, IGNORED]]
