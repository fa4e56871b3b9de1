"""Checkpoints of a slice: the state of the optimizer in shards, the weights as one Hugging Face model.

torch.distributed.checkpoint writes the state, each host the shards of its chips, and can read it back onto any mesh.
Its files contain pickles, so they are only read from a tree of the run's own journal, after the journal has compared
them with the hashes in the tree's marker. A host reads the parts of the files that its chips need, and no weights: the
state contains their fp32 masters. The weights are safetensors, written where a step is the best so far; everything
else reads those.

Saving has two parts. `take` copies the tensors from the chips to the hosts; all hosts call it together. `Image` writes
the copy to files while training continues. Until then, every host holds its shards of the state once more (12 bytes
per parameter, divided by the number of hosts), and the host that writes the weights holds all of them (2 bytes per
parameter in bf16). Where that host lacks the memory, the weights are written while they are gathered: training waits
for the disk, and the tensors of no more than one file are in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch_xla.distributed.spmd as spmd
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch_xla.experimental.distributed_checkpoint import SPMDLoadPlanner, SPMDSavePlanner
from torch_xla.experimental.distributed_checkpoint._helpers import _CpuShards

from clt_ray.training.backends.xla.host_memory import has_room
from clt_ray.training.backends.xla.model import ShardedModel
from clt_ray.training.backends.xla.optimizer import AdamW
from clt_ray.training.backends.xla.weights import write

METADATA = ".metadata"
"""File of a saved state with the place of each part, as torch.distributed.checkpoint names it."""


@dataclass(frozen=True)
class Image:
    """Copy of a checkpoint's tensors on a host, all of the same step."""

    state: dict[str, Any]
    """State of the optimizer by name: this host's shards of split tensors, and replicated tensors as a whole."""
    weights: dict[str, Tensor]
    """Whole parameters by name on the host that writes them; empty on other hosts, and where `take` has already
    written them."""

    def write_state(self, folder: Path, group: dist.ProcessGroup | None = None) -> None:
        """Writes the state of the optimizer. All hosts of the group call this, each with a folder of its own."""
        writer, alone = FileSystemWriter(folder), not dist.is_initialized()
        state_dict_saver.save(
            self.state, storage_writer=writer, planner=SPMDSavePlanner(), process_group=group, no_dist=alone
        )

    def write_weights(self, folder: Path) -> None:
        """Writes the copied weights as safetensors, and frees each tensor as soon as it is in a file."""
        if self.weights:
            write(folder, ((name, self.weights.pop(name)) for name in list(self.weights)))


def take(
    model: ShardedModel, optimizer: AdamW, folder: Path | None, available: int | None = None, with_weights: bool = True
) -> Image:
    """Copies a checkpoint to the hosts. Every host calls this, since gathering needs all chips.

    Args:
        folder: On the host that writes the weights, the folder for them; None on the others. They are written at once
            where the host lacks the memory for a copy.
        available: Free memory of this host in bytes; measured if None.
        with_weights: Whether the weights are copied at all; the same on all hosts.
    """
    if not with_weights:
        return Image(_on_host(optimizer), {})
    whole, kept = gathered(model), {}
    if folder is None:
        for _ in whole:
            pass
    elif has_room(sum(parameter.nbytes for parameter in model.parameters().values()), available):
        kept = dict(whole)
    else:
        write(folder, whole)
    return Image(_on_host(optimizer), kept)


def gathered(model: ShardedModel) -> Iterator[tuple[str, Tensor]]:
    """Yields every parameter as a whole, gathered to the host when it is asked for."""
    for name, parameter in model.parameters().items():
        yield name, model.chips.whole(parameter.detach())


def restore(optimizer: AdamW, folder: Path) -> None:
    """Reads a state back from verified files, onto the mesh over which the optimizer's state is split now.

    Args:
        optimizer: Has state of the right shapes.
        folder: Has at least the ranges of the files that `needed_ranges` returns.
    """
    state = _split_or_on_host(optimizer)
    reader, alone = FileSystemReader(folder), not dist.is_initialized()
    state_dict_loader.load(state, storage_reader=reader, planner=SPMDLoadPlanner(), no_dist=alone)
    for name, value in state.items():
        if value.device.type == "cpu":
            optimizer.replace(name, value)
    optimizer.write_parameters()


def needed_ranges(optimizer: AdamW, folder: Path) -> dict[str, list[tuple[int, int]] | None]:
    """Returns the byte ranges of the files of a saved state from which this host's parts of it are restored.

    Args:
        optimizer: Has state of the right shapes on the mesh of now.
        folder: Has the file `.metadata`, which says where in which file each saved part is.
    """
    metadata = FileSystemReader(folder).read_metadata()
    here = {name: optimizer.chips.local_parts(value) for name, value in optimizer.tensors().items()}
    ranges: dict[str, list[tuple[int, int]]] = {}
    for index, place in (metadata.storage_data or {}).items():
        saved: Any = metadata.state_dict_metadata[index.fqn]
        sizes = next(chunk.sizes for chunk in saved.chunks if chunk.offsets == index.offset)
        if any(_overlap(part, index.offset, sizes) for part in here[index.fqn]):
            ranges.setdefault(place.relative_path, []).append((place.offset, place.offset + place.length))
    return {METADATA: None, **ranges}


def _overlap(part: Sequence[slice], offsets: Sequence[int], sizes: Sequence[int]) -> bool:
    """Returns whether a part of a tensor has elements of the saved part at these offsets."""
    saved = zip(part, offsets, sizes, strict=True)
    return all(here.start < offset + size and offset < here.stop for here, offset, size in saved)


def _on_host(optimizer: AdamW) -> dict[str, Any]:
    """Returns the state by name, with host copies of the shards of split tensors, as `SPMDSavePlanner` reads them."""
    optimizer.chips.wait()
    state: dict[str, Any] = _split_or_on_host(optimizer)
    for name, value in state.items():
        if value.device.type != "cpu":
            shards = spmd.wrap_if_sharded(value).local_shards
            # A mesh axis that does not split the tensor leaves equal parts on several chips; each part is saved once.
            distinct = {tuple(part.start for part in shard.indices): shard for shard in shards}
            state[name] = _CpuShards(list(distinct.values()), value.shape)
    return state


def _split_or_on_host(optimizer: AdamW) -> dict[str, Any]:
    """Returns the state by name, with replicated tensors as host copies, which the planners treat as ordinary ones."""
    return {
        name: value.detach() if optimizer.is_split(name) else optimizer.chips.whole(value.detach())
        for name, value in optimizer.tensors().items()
    }
