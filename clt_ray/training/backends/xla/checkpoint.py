"""Checkpoints of a slice: the optimizer's state in shards, the weights as one Hugging Face model.

The state is written by torch.distributed.checkpoint, each host its chips' shards, and can be read back onto any
mesh. Its files hold pickles, so they are only ever read from a tree of the run's own journal, which has compared
them with the hashes in the tree's marker. The weights hold none and are what everything else reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch_xla.experimental.distributed_checkpoint import SPMDLoadPlanner, SPMDSavePlanner

from clt_ray.training.backends.xla.model import ShardedModel
from clt_ray.training.backends.xla.optimizer import AdamW
from clt_ray.training.backends.xla.weights import write


def save(optimizer: AdamW, folder: Path) -> None:
    """Write the optimizer's state. Every host calls this, and finds its part in its folder.

    Args:
        optimizer: Whose masters, means and squares are written.
        folder: Where to; exists.
    """
    state_dict_saver.save(
        _split_or_on_host(optimizer),
        storage_writer=FileSystemWriter(folder),
        planner=SPMDSavePlanner(),
        no_dist=not dist.is_initialized(),
    )


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


def export(model: ShardedModel, folder: Path, *, write_files: bool) -> None:
    """Write the weights as `from_pretrained` reads them, gathering one tensor at a time on the host.

    Args:
        model: Every host calls this, since gathering needs all chips.
        folder: Where to; exists.
        write_files: Whether this host writes.
    """
    parameters = model.parameters()
    write(folder, parameters, lambda name: model.chips.whole(parameters[name].detach()), write_files)
    if write_files:
        model.module.config.save_pretrained(folder)
        model.module.generation_config.save_pretrained(folder)


def _split_or_on_host(optimizer: AdamW) -> dict[str, Any]:
    """The state by name; replicated tensors as host copies, which the planners treat as ordinary ones."""
    return {
        name: value.detach() if optimizer.is_split(name) else optimizer.chips.whole(value.detach())
        for name, value in optimizer.tensors().items()
    }
