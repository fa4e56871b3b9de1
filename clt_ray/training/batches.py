"""Batches of a run's rows as tensors: a pure function of (lengths of the rows, seed, epoch, step).

A resumed run asks for step s and gets the batch that an uninterrupted run gets, without replaying the earlier steps.
The order comes from the raw output of the Philox generator, which numpy keeps fixed across versions, unlike the output
of its `permutation`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Sampler

from clt_ray.data.formatting import IGNORED, Encoded
from clt_ray.tasks import TaskLanguage


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


class RunBatches(Sampler[list[int]]):
    """The row indices of every optimizer step of a run, all epochs in one sequence.

    In one sequence, step s is always the s-th batch, so a resumed run only has to skip s batches. Of several
    processes, each takes every `world_size`-th row of the global batch. A process that gets no row asks for the blank
    row after the last (see `with_blank`).
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        total_steps: int,
        *,
        window: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Describes the batches; nothing is shuffled before iteration.

        Args:
            lengths: Length of every training row in tokens.
            batch_size: Rows per optimizer step, over all processes.
            window: Batches among which rows are sorted by length, as `epoch_batches`.
        """
        self.lengths, self.batch_size, self.seed, self.total_steps = lengths, batch_size, seed, total_steps
        self.window, self.rank, self.world_size = window, rank, world_size

    def __len__(self) -> int:
        return self.total_steps

    def __iter__(self) -> Iterator[list[int]]:
        n_rows = len(self.lengths)
        per_epoch = steps_per_epoch(n_rows, self.batch_size)
        for step in range(self.total_steps):
            epoch, position = divmod(step, per_epoch)
            if position == 0 or step == 0:
                batches = epoch_batches(self.lengths, self.batch_size, self.seed, epoch, self.window)
            shard = batches[position][self.rank :: self.world_size].tolist()
            # The last batch may have fewer rows than there are processes; all of them take part in its step.
            yield shard or [n_rows]


def with_blank(rows: Sequence[Encoded], pad_id: int) -> list[Encoded]:
    """Returns the rows followed by a blank row, which has no labels and therefore no loss."""
    return [*rows, Encoded([pad_id, pad_id], [IGNORED, IGNORED])]


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """Returns `input_ids`, `attention_mask` (1 on real tokens) and `labels`, each (rows, tokens of the longest row).

    Rows are padded on the right; padding has the label -100.
    """

    def padded(values: Iterable[list[int]], filler: int) -> Tensor:
        return pad_sequence([torch.tensor(row) for row in values], batch_first=True, padding_value=filler)

    return {
        "input_ids": padded((row.input_ids for row in rows), pad_id),
        "attention_mask": padded(([1] * len(row.input_ids) for row in rows), 0),
        "labels": padded((row.labels for row in rows), IGNORED),
    }


def validation_batches(
    rows: Mapping[TaskLanguage, Sequence[Encoded]], batch_size: int, pad_id: int
) -> list[tuple[list[TaskLanguage], dict[str, Tensor]]]:
    """Returns batches of rows of similar length, the longest first, with the task-language pair of each row.

    Validation sums the losses of each pair, so rows of different pairs can share a batch, which saves padding.
    """
    labelled = [(pair, row) for pair, pair_rows in rows.items() for row in pair_rows]
    labelled.sort(key=lambda entry: -len(entry[1].input_ids))
    chunks = [labelled[start : start + batch_size] for start in range(0, len(labelled), batch_size)]
    return [([pair for pair, _ in chunk], collate([row for _, row in chunk], pad_id)) for chunk in chunks]
