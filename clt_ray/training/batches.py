"""Rows of a run as batches of tensors, in an order that depends on nothing but their lengths and (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

from clt_ray.data.batching import epoch_batches, pad_batch, steps_per_epoch
from clt_ray.data.formatting import IGNORED, Encoded
from clt_ray.tasks import TaskLanguage


class RunBatches(Sampler[list[int]]):
    """The row indices of every optimizer step of a run, all epochs in one sequence.

    One sequence means that step s is always the s-th batch, so skipping s batches is all that resuming needs.
    With several processes each takes every `world_size`-th row of the global batch; one that gets none asks for
    the row after the last, a blank one (see `with_blank`).
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
            own = batches[position][self.rank :: self.world_size].tolist()
            # A last batch may be smaller than the number of processes; all of them take part in its step.
            yield own or [n_rows]


def with_blank(rows: Sequence[Encoded], pad_id: int) -> list[Encoded]:
    """The rows, and one more that enters no loss."""
    return [*rows, Encoded([pad_id, pad_id], [IGNORED, IGNORED])]


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask`, `labels`, each (rows, longest row), right-padded."""
    return {name: torch.as_tensor(array) for name, array in pad_batch(rows, pad_id).items()}


def validation_batches(
    cells: dict[TaskLanguage, Sequence[Encoded]], batch_size: int, pad_id: int
) -> list[tuple[list[TaskLanguage], dict[str, Tensor]]]:
    """Batches of rows of like length across all cells, the longest first.

    Validation asks for sums per cell, so rows of different cells share batches and little is padded.
    """
    rows = [(cell, row) for cell, encoded in cells.items() for row in encoded]
    rows.sort(key=lambda pair: -len(pair[1].input_ids))
    chunks = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return [([cell for cell, _ in chunk], collate([row for _, row in chunk], pad_id)) for chunk in chunks]
