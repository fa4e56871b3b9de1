"""The order of batches is a pure function of seed, epoch and step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.data.batching import batch_rows, epoch_order, pad_batch, steps_per_epoch
from clt_ray.data.formatting import IGNORED, Encoded


@given(st.integers(1, 300), st.integers(0, 2**40), st.integers(0, 50))
def test_an_epoch_visits_every_row_once(n_rows: int, seed: int, epoch: int) -> None:
    assert sorted(epoch_order(n_rows, seed, epoch)) == list(range(n_rows))


@given(st.integers(1, 100), st.integers(1, 17), st.integers(0, 100), st.integers(0, 5), st.randoms())
def test_batches_asked_for_in_any_order_make_up_the_epoch(
    n_rows: int, batch_size: int, seed: int, epoch: int, random: object
) -> None:
    steps = list(range(steps_per_epoch(n_rows, batch_size)))
    random.shuffle(steps)  # type: ignore[attr-defined]
    batches = {step: batch_rows(n_rows, batch_size, seed, epoch, step) for step in steps}
    joined = np.concatenate([batches[step] for step in sorted(steps)])
    assert np.array_equal(joined, epoch_order(n_rows, seed, epoch))


def test_the_order_is_this_one_on_every_machine() -> None:
    assert epoch_order(8, seed=0, epoch=0).tolist() == [6, 5, 1, 4, 3, 2, 7, 0]
    assert epoch_order(8, seed=1, epoch=3).tolist() == [0, 3, 1, 5, 4, 7, 6, 2]


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_a_step_outside_the_epoch_is_an_error() -> None:
    with pytest.raises(IndexError, match="step 3 of an epoch of 3 steps"):
        batch_rows(10, 4, 0, 0, 3)


def test_rows_are_padded_on_the_right() -> None:
    batch = pad_batch([Encoded([5, 6, 7], [IGNORED, 6, 7]), Encoded([8], [8])], pad_id=0, multiple=4)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 0], [8, 0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7, IGNORED], [8, IGNORED, IGNORED, IGNORED]]
