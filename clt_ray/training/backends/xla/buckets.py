"""Pads batches to a few widths, so that a run compiles only a few graphs.

A compiled graph fits one shape. Rows have any length, so every batch is padded on the right, to the smallest width of
a fixed ladder that holds its longest row, and to a fixed number of rows:

    max_length 2048    widths 128, 256, 512, 1024, 1536, 2048
    a batch of 64 rows, the longest of 700 tokens    ->    (64, 1024)

The ladder depends on `max_length` alone, so the runs of a sweep share compiled graphs. Which rows form a step is
decided in `training.batches` and never depends on a width, so the loss of a step is the same as without padding.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from clt_ray.data.formatting import IGNORED

TILE_TOKENS = 128
"""Widths are multiples of this number, the lanes of a TPU's vector unit."""


def widths(max_length: int) -> tuple[int, ...]:
    """Returns the widths for rows of up to `max_length` tokens, ascending; the last one holds every row.

    The ladder consists of repeated halves of the longest width, and of three quarters of it, since most batches have
    a long row.
    """
    longest = _tiles(max_length)
    ladder = {longest, _tiles(longest * 3 // 4)}
    width = longest
    while width > TILE_TOKENS:
        width = _tiles(width // 2)
        ladder.add(width)
    return tuple(sorted(ladder))


def width_for(length: int, ladder: Sequence[int]) -> int:
    """Returns the smallest width that holds `length` tokens.

    Raises:
        ValueError: No width of the ladder holds them.
    """
    for width in ladder:
        if length <= width:
            return width
    raise ValueError(f"{length} tokens do not fit the widest of {tuple(ladder)}")


def fit(batch: Mapping[str, Tensor], rows: int, width: int, pad_id: int) -> dict[str, Tensor]:
    """Returns `input_ids`, `labels` and `attention_mask` of a right-padded batch, each of shape (rows, width).

    Added rows and tokens carry no label. Columns beyond `width` must be padding in all rows and are cut.
    """
    fillers = {"input_ids": pad_id, "labels": IGNORED, "attention_mask": 0}
    return {name: _resize(batch[name], rows, width, filler) for name, filler in fillers.items()}


def _resize(values: Tensor, rows: int, width: int, filler: int) -> Tensor:
    old_rows, old_width = values.shape
    padded = pad(values[:, :width], (0, max(0, width - old_width), 0, rows - old_rows), value=filler)
    return padded.to(torch.int32)


def _tiles(tokens: int) -> int:
    return -(-max(tokens, 1) // TILE_TOKENS) * TILE_TOKENS
