"""The devices of a slice as one mesh, over which tensors are split."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch_xla
import torch_xla.core.xla_model as xm
import torch_xla.distributed.spmd as spmd
from torch import Tensor

from clt_ray.families import FSDP, TENSOR, Partition
from clt_ray.training.backends.xla import private
from clt_ray.training.backends.xla.plan import MeshShape


class Slice:
    """All chips of a slice, which each of its hosts sees as one device.

    Every host runs the same program on the same values, and XLA splits both. So every value that a host sends to the
    chips (a batch, a learning rate) must be the same on all hosts.
    """

    def __init__(self, shape: MeshShape) -> None:
        self.shape = shape
        self.mesh = spmd.Mesh(np.arange(shape.chips), (shape.fsdp, shape.tensor), (FSDP, TENSOR))
        self.device = torch_xla.device()

    def put(self, value: Tensor, partition: Partition | None = None) -> Tensor:
        """Returns a host tensor on the chips; each gets only its part, or the whole where there is no partition."""
        return self.put_all({"": value}, {"": partition or ()})[""]

    def put_all(self, values: Mapping[str, Tensor], partitions: Mapping[str, Partition]) -> dict[str, Tensor]:
        """Returns several host tensors on the chips, as `put` does."""
        placed = {}
        for name, value in values.items():
            spec = spmd.ShardingSpec(self.mesh, self._complete(partitions[name], value.dim()))
            placed[name] = xm.send_cpu_data_to_device(value.contiguous(), self.device, spec)[0]
        return placed

    def constrain(self, value: Tensor, partition: Partition) -> Tensor:
        """Returns the same values, split by a partition for every later use; their gradients are split alike."""
        split: Tensor = _Constrained.apply(value, partition, self)
        return split

    def annotate(self, value: Tensor, partition: Partition) -> Tensor:
        """Splits a tensor as `constrain` does, but outside of automatic differentiation, and returns it."""
        spec = self.mesh.get_op_sharding(self._complete(partition, value.dim()))
        private.annotate_sharding(value, spec)
        return value

    def finish(self, values: Sequence[Tensor]) -> None:
        """Makes every later use of one of these values wait for all of them.

        It keeps the compiler from starting the next chunk of a computation, with its own large intermediates, before
        the last chunk is complete.
        """
        xm.optimization_barrier_(list(values))

    def wait(self) -> None:
        """Waits until the chips have computed all that was started, as reading the parts of a tensor requires."""
        # Without the name of SPMD's virtual device, torch_xla would wait for single ones, on which nothing was started.
        xm.wait_device_ops(["SPMD:0"])

    def read(self, value: Tensor) -> Tensor:
        """Returns a device tensor on the host. Waits for the device, so training calls it once per log."""
        return value.cpu()

    def whole(self, value: Tensor) -> Tensor:
        """Returns the whole of a split tensor on the host.

        It is read from the chips of this host if they hold all of it. Otherwise all hosts take part, and must call
        this in the same order.
        """
        self.wait()
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
            return self.gather(value)
        for shard in parts.values():
            place = tuple(shard.indices)
            # Where the chips do not divide a dimension, the last part is padded.
            result[place] = shard.data[tuple(slice(size) for size in result[place].shape)]
        return result

    def local_parts(self, value: Tensor) -> list[tuple[slice, ...]]:
        """Returns which parts of a tensor the chips of this host hold, without reading them."""
        whole = tuple(slice(0, size) for size in value.shape)
        (parts,) = private.parts_of_host([value])
        return [whole if indices is Ellipsis else tuple(indices) for _, indices in parts]

    def gather(self, value: Tensor) -> Tensor:
        """Returns the whole of a split tensor on the host, copied to every chip first; all hosts call this together.

        The copy is a graph like any other, which is compiled once for all tensors of a shape that are split alike.
        Reading the tensor itself would compile a program for every call.
        """
        copy = self.annotate(value.detach() * 1, ())
        torch_xla.sync(wait=True)
        shard = spmd.wrap_if_sharded(copy).local_shards[0]
        everything: Tensor = shard.data
        return everything

    def zeros(self, shape: Sequence[int], dtype: torch.dtype, partition: Partition) -> Tensor:
        """Returns zeros that each chip makes for its part, when `make` is called; the host has no copy."""
        return self.annotate(torch.zeros(tuple(shape), dtype=dtype, device=self.device), partition)

    def make(self) -> None:
        """Computes what has been recorded so far, such as zeros, in one graph."""
        torch_xla.sync(wait=True)

    def _complete(self, partition: Partition, dimensions: int) -> Partition:
        return (*partition, *[None] * (dimensions - len(partition)))


class _Constrained(torch.autograd.Function):
    """Replaces torch_xla's mark_sharding_with_gradients, which takes 1.3 ms per call to look for an absent library."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, partition: Partition, chips: Slice) -> Tensor:
        ctx.partition, ctx.chips = partition, chips
        return chips.annotate(value * 1, partition)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return ctx.chips.annotate(gradients[0] * 1, ctx.partition), None, None


def computation_type(precision: str) -> torch.dtype:
    """Returns the number format of parameters and activations for a precision, `bf16` or `fp32`."""
    return torch.bfloat16 if precision == "bf16" else torch.float32
