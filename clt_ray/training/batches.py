"""Batches of a run's rows as tensors, in an order that depends on their lengths and on (seed, step) only."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

from clt_ray.data.batching import epoch_batches, pad_batch, steps_per_epoch
from clt_ray.data.formatting import IGNORED, Encoded
from clt_ray.tasks import TaskLanguage


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
    """Returns `input_ids`, `attention_mask` and `labels`, each (rows, tokens of the longest row), padded right."""
    return {name: torch.as_tensor(array) for name, array in pad_batch(rows, pad_id).items()}


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
