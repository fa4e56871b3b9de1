"""Batches as a pure function of (lengths of the rows, seed, epoch, step).

A resumed run asks for step s and gets what an unbroken run gets, without replaying the steps before. The order
comes from raw Philox output, which numpy keeps fixed across versions, unlike that of its `permutation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clt_ray.data.formatting import IGNORED, Encoded


def epoch_order(n_rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of `range(n_rows)`, shape (n_rows,)."""
    key = hashlib.sha256(f"epoch order/{seed}/{epoch}".encode()).digest()[:16]
    draws = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(n_rows)
    return np.argsort(draws, kind="stable")


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Number of batches of one pass; the last may be smaller than the others."""
    return -(-n_rows // batch_size)


def epoch_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, window: int
) -> list[NDArray[np.int64]]:
    """Row indices of every batch of an epoch: `epoch_order`, with rows of like length put in the same batch.

        epoch order       | 12 batches of random rows ... | rest |
        window = 4        | 4, by length | 4, by length | 4, by length |
        batches           in random order, each of rows of like length; the smaller last batch stays last

    A batch is as wide as its longest row, so less of it is padding. Every row still comes once, and each window of
    `window * batch_size` rows is a random sample of the epoch.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows per batch.
        seed: Of the run.
        epoch: From 0.
        window: Batches whose rows are sorted among themselves; 1 leaves the order random.
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
    """Rows as rectangles, padded on the right.

    Args:
        rows: At least one.
        pad_id: Token that fills `input_ids`.
        multiple: Round the width up to a multiple of this many tokens.

    Returns:
        `input_ids`, `attention_mask` (1 on real tokens) and `labels` (-100 on padding), each (rows, width).
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
