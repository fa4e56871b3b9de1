"""Checkpoints of a slice: the optimizer's state in shards, the weights as one Hugging Face model.

The state is written by torch.distributed.checkpoint, each host its chips' shards, and can be read back onto any
mesh. Its files hold pickles, so they are only ever read from a tree of the run's own journal, which has compared
them with the hashes in the tree's marker. The weights hold none and are what everything else reads.

Saving has two halves. `take` copies what is on the chips to the hosts: it needs the chips, and all hosts in step.
`Image.write_state` and `Image.write_weights` turn the copy into files and need neither, so training goes on meanwhile.
What that costs is memory: every host has its shards of the state once more (12 bytes per parameter, divided by the
hosts), and the host that writes the weights has them whole (2 bytes per parameter in bf16), until they are on disk.
"""

from __future__ import annotations

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

from clt_ray.training.backends.xla.model import ShardedModel
from clt_ray.training.backends.xla.optimizer import AdamW
from clt_ray.training.backends.xla.weights import write


@dataclass(frozen=True)
class Image:
    """A copy of a checkpoint's tensors on a host, of one moment."""

    state: dict[str, Any]
    """Optimizer state by name: this host's shards of what is split, all of what is replicated."""
    weights: dict[str, Tensor]
    """Whole parameters by name, on the host that writes them; elsewhere empty."""

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
        """Write the weights as safetensors, and let go of each as soon as it is in a file."""
        write(folder, list(self.weights), self.weights.pop)


def take(model: ShardedModel, optimizer: AdamW, *, weights: bool) -> Image:
    """Copy a checkpoint to the host. Every host calls this, since gathering needs all chips.

    Args:
        model: Whose parameters are gathered, one at a time.
        optimizer: Whose masters, means and squares are copied, each host its shards.
        weights: Whether this host keeps the gathered parameters.
    """
    parameters, kept = model.parameters(), {}
    for name, parameter in parameters.items():
        value = model.chips.whole(parameter.detach())
        if weights:
            kept[name] = value
    return Image(_on_host(optimizer), kept)


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
