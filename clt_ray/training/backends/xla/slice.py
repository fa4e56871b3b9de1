"""The devices of a slice as one mesh: where tensors are put, and how they are kept there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch_xla
import torch_xla.core.xla_model as xm
import torch_xla.distributed.spmd as spmd
from torch import Tensor

from clt_ray.families import FSDP, TENSOR, Partition
from clt_ray.training.backends.xla.plan import MeshShape


class Slice:
    """All chips of a slice, seen by each of its hosts as one device.

    Every host runs the same program on the same values; XLA splits both. So whatever a host computes from a host
    value (a batch, a learning rate) must be the same on all hosts.
    """

    def __init__(self, shape: MeshShape) -> None:
        self.shape = shape
        self.mesh = spmd.Mesh(np.arange(shape.chips), (shape.fsdp, shape.tensor), (FSDP, TENSOR))
        self.device = torch_xla.device()

    def put(self, value: Tensor, partition: Partition | None = None) -> Tensor:
        """A host tensor on the chips, each getting only its part; the whole never is on one of them.

        Args:
            value: On the host, the same on all hosts.
            partition: How to split it; None or all None replicates.
        """
        return self.put_all({"": value}, {"": partition or ()})[""]

    def put_all(self, values: Mapping[str, Tensor], partitions: Mapping[str, Partition]) -> dict[str, Tensor]:
        """Several host tensors, as `put`."""
        placed = {}
        for name, value in values.items():
            spec = spmd.ShardingSpec(self.mesh, self._complete(partitions[name], value.dim()))
            placed[name] = xm.send_cpu_data_to_device(value.contiguous(), self.device, spec)[0]
        return placed

    def constrain(self, value: Tensor, partition: Partition) -> Tensor:
        """The same values, split this way wherever they are used next; gradients are split the same way."""
        split: Tensor = _Constrained.apply(value, partition, self)
        return split

    def annotate(self, value: Tensor, partition: Partition) -> Tensor:
        """As `constrain`, outside of automatic differentiation."""
        spec = self.mesh.get_op_sharding(self._complete(partition, value.dim()))
        torch_xla._XLAC._xla_annotate_custom_sharding(value, spec)
        return value

    def finish(self, values: Sequence[Tensor]) -> None:
        """Have whatever uses any of these values later wait for all of them, so that the compiler does not start
        the next chunk of a computation, with its own large intermediates, before the last one is done."""
        xm.optimization_barrier_(list(values))

    def read(self, value: Tensor) -> Tensor:
        """A device tensor on the host. Waits for the device, so training calls it once per log."""
        return value.cpu()

    def whole(self, value: Tensor) -> Tensor:
        """All of a split tensor on the host.

        From this host's chips alone when they hold all of it; otherwise all hosts take part and must call this in
        the same order.
        """
        sharded = spmd.wrap_if_sharded(value)
        if not isinstance(sharded, spmd.XLAShardedTensor):
            return value.cpu()
        shards = sharded.local_shards
        if shards[0].indices is Ellipsis:
            everything: Tensor = shards[0].data
            return everything
        parts = {tuple((part.start, part.stop) for part in shard.indices): shard for shard in shards}
        result = torch.empty(value.shape, dtype=value.dtype)
        if sum(result[tuple(shard.indices)].numel() for shard in parts.values()) < result.numel():
            return value.cpu()
        for shard in parts.values():
            place = tuple(shard.indices)
            # A chip's part of a dimension that does not divide is padded.
            result[place] = shard.data[tuple(slice(size) for size in result[place].shape)]
        return result

    def sync(self) -> None:
        """Run what has been recorded; returns before the chips have finished."""
        torch_xla.sync()

    def _complete(self, partition: Partition, dimensions: int) -> Partition:
        return (*partition, *[None] * (dimensions - len(partition)))


class _Constrained(torch.autograd.Function):
    """As torch_xla's mark_sharding_with_gradients, which looks for an absent library at every call: 1.3 ms each."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, partition: Partition, chips: Slice) -> Tensor:
        ctx.partition, ctx.chips = partition, chips
        return chips.annotate(value * 1, partition)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return ctx.chips.annotate(gradients[0] * 1, ctx.partition), None, None


def computation_type(precision: str) -> torch.dtype:
    """Number format of parameters and activations."""
    return torch.bfloat16 if precision == "bf16" else torch.float32
