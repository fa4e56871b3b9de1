"""Checkpoints of a slice: the optimizer's state in shards, the weights as one Hugging Face model.

The state is written by torch.distributed.checkpoint, each host its chips' shards, and can be read back onto any
mesh. Its files hold pickles, so they are only ever read from a tree of the run's own journal, which has compared
them with the hashes in the tree's marker. The weights hold none and are what everything else reads.

Saving has two halves. `take` copies what is on the chips to the hosts: it needs the chips, and all hosts in step.
`Image.write_state` and `Image.write_weights` turn the copy into files and need neither, so training goes on meanwhile.
What that costs is memory: every host has its shards of the state once more (12 bytes per parameter, divided by the
hosts), and the host that writes the weights has them whole (2 bytes per parameter in bf16), until they are on disk.
Where that host has no room for them, they are written while they are gathered: training waits for the disk, and no
more than one file's tensors are held.
"""

from __future__ import annotations

from collections.abc import Iterator
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


@dataclass(frozen=True)
class Image:
    """A copy of a checkpoint's tensors on a host, of one moment."""

    state: dict[str, Any]
    """Optimizer state by name: this host's shards of what is split, all of what is replicated."""
    weights: dict[str, Tensor]
    """Whole parameters by name, on the host that writes them; empty elsewhere, and where they are written already."""

    def write_state(self, folder: Path, group: dist.ProcessGroup | None = None) -> None:
        """Write the optimizer's state. Every host calls this, and finds its part in its folder.

        Args:
            folder: Where to; exists.
            group: Through which the hosts tell each other what they write; None for the default one.
        """
        state_dict_saver.save(
            self.state,
            storage_writer=FileSystemWriter(folder),
            planner=SPMDSavePlanner(),
            process_group=group,
            no_dist=not dist.is_initialized(),
        )

    def write_weights(self, folder: Path) -> None:
        """Write the weights that were copied as safetensors, and let go of each as soon as it is in a file."""
        if self.weights:
            write(folder, ((name, self.weights.pop(name)) for name in list(self.weights)))


def take(model: ShardedModel, optimizer: AdamW, folder: Path | None, available: int | None = None) -> Image:
    """Copy a checkpoint to the host. Every host calls this, since gathering needs all chips.

    Args:
        model: Whose parameters are gathered, one at a time.
        optimizer: Whose masters, means and squares are copied, each host its shards.
        folder: On the host that writes the weights: where they go now if they do not fit into its memory.
        available: Bytes of memory that are left on this host; by default as measured now.
    """
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
    """Every parameter, whole and on the host, when it is asked for."""
    for name, parameter in model.parameters().items():
        yield name, model.chips.whole(parameter.detach())


def restore(optimizer: AdamW, folder: Path) -> None:
    """Read back what `save` wrote, on whatever mesh the optimizer's state is split over now.

    Args:
        optimizer: With state of the right shapes, which is overwritten; its parameters follow.
        folder: A verified one.
    """
    state = _split_or_on_host(optimizer)
    state_dict_loader.load(
        state,
        storage_reader=FileSystemReader(folder),
        planner=SPMDLoadPlanner(),
        no_dist=not dist.is_initialized(),
    )
    for name, value in state.items():
        if value.device.type == "cpu":
            optimizer.replace(name, value)


def _on_host(optimizer: AdamW) -> dict[str, Any]:
    """The state by name: host copies of the shards of split tensors, in the form that `SPMDSavePlanner` knows."""
    state: dict[str, Any] = _split_or_on_host(optimizer)
    for name, value in state.items():
        if value.device.type != "cpu":
            state[name] = _CpuShards(spmd.wrap_if_sharded(value).local_shards, value.shape)
    return state


def _split_or_on_host(optimizer: AdamW) -> dict[str, Any]:
    """The state by name; replicated tensors as host copies, which the planners treat as ordinary ones."""
    return {
        name: value.detach() if optimizer.is_split(name) else optimizer.chips.whole(value.detach())
        for name, value in optimizer.tensors().items()
    }
