"""Batches as a pure function of (lengths of the rows, seed, epoch, step).

A resumed run asks for step s and gets the batch that an uninterrupted run gets, without replaying the earlier steps.
The order comes from the raw output of the Philox generator, which numpy keeps fixed across versions, unlike the output
of its `permutation`.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clt_ray.data.formatting import IGNORED, Encoded


def epoch_order(n_rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns a permutation of `range(n_rows)`, shape (n_rows,)."""
    key = hashlib.sha256(f"epoch order/{seed}/{epoch}".encode()).digest()[:16]
    draws = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(n_rows)
    return np.argsort(draws, kind="stable")


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Returns the number of batches of one epoch; the last may be smaller than the others."""
    return -(-n_rows // batch_size)


def epoch_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, window: int
) -> list[NDArray[np.int64]]:
    """Returns the row indices of every batch of an epoch: `epoch_order`, with rows of similar length in one batch.

        epoch order       | 12 batches of random rows ... | rest |
        window = 4        | 4, by length | 4, by length | 4, by length |
        batches           in random order, each of rows of similar length; the smaller last batch stays last

    A batch is as wide as its longest row, so batches of rows of similar length hold less padding. Every row occurs
    exactly once, and each window of `window * batch_size` rows is a random sample of the epoch.

    Args:
        window: Number of batches whose rows are sorted together; 1 leaves the order random.
    """
    order = epoch_order(len(lengths), seed, epoch)
    count, rest = divmod(len(order), batch_size)
    last = [order[-rest:]] if rest else []
    batches = list(order[: count * batch_size].reshape(count, batch_size))
    if window == 1:
        return batches + last
    tokens = np.asarray(lengths)
    sorted_batches: list[NDArray[np.int64]] = []
    for start in range(0, count, window):
        rows = np.concatenate(batches[start : start + window])
        rows = rows[np.argsort(tokens[rows], kind="stable")]
        sorted_batches += list(rows.reshape(-1, batch_size))
    return [sorted_batches[index] for index in epoch_order(count, seed, epoch)] + last


def pad_batch(rows: Sequence[Encoded], pad_id: int, multiple: int = 1) -> dict[str, NDArray[np.int64]]:
    """Returns rows as arrays of shape (rows, width), padded on the right to a multiple of `multiple` tokens.

    These are `input_ids`, `attention_mask` (1 on real tokens) and `labels` (-100 on padding).
    """
    width = max(len(row.input_ids) for row in rows)
    width = -(-width // multiple) * multiple
    shape = (len(rows), width)
    batch = {
        "input_ids": np.full(shape, pad_id, dtype=np.int64),
        "attention_mask": np.zeros(shape, dtype=np.int64),
        "labels": np.full(shape, IGNORED, dtype=np.int64),
    }
    for index, row in enumerate(rows):
        length = len(row.input_ids)
        batch["input_ids"][index, :length] = row.input_ids
        batch["attention_mask"][index, :length] = 1
        batch["labels"][index, :length] = row.labels
    return batch
