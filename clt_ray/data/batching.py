"""Batches as a pure function of (number of rows, seed, epoch, step).

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


def batch_rows(n_rows: int, batch_size: int, seed: int, epoch: int, step: int) -> NDArray[np.int64]:
    """Row indices of batch `step` (from 0) of an epoch, shape (batch_size,) or less for the last.

    Raises:
        IndexError: The epoch has no such step.
    """
    if not 0 <= step < steps_per_epoch(n_rows, batch_size):
        raise IndexError(f"step {step} of an epoch of {steps_per_epoch(n_rows, batch_size)} steps")
    return epoch_order(n_rows, seed, epoch)[step * batch_size : (step + 1) * batch_size]


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
