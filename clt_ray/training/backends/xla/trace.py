"""The training step of a slice that is not there, as a program for its compiler.

The step is the trainer's own (`step.TrainStep`). Only what it stands on is replaced: tensors have a shape, a number
format and a partition but no memory, and instead of being run the graph is taken. So what a compiler says of the
program (memory per chip, collectives) holds for the step that will run.

Needs a process of its own, started with `environment.tracing_environment(chips)`: the number of devices is fixed when
torch_xla starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch_xla
import torch_xla.runtime as runtime
from torch import Tensor
from torch_xla.core.xla_builder import create_placeholder_tensor

from clt_ray.training.backends.xla import attention
from clt_ray.training.backends.xla.graphs import GraphBook
from clt_ray.training.backends.xla.model import ShardedModel, empty, fill, prepare
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import MeshShape, Partition, sharding_plan
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.backends.xla.step import TrainStep


@dataclass(frozen=True)
class StepShape:
    """What is traced."""

    mesh: MeshShape
    """Of the slice."""
    rows: int
    """Of a global batch."""
    width: int
    """Tokens of a row."""
    rematerialise: bool = True
    """Whether layers' activations are recomputed in the backward pass."""
    kernel: bool = True
    """Whether attention is the TPU's kernel."""


def trace(config: Any, shape: StepShape, settings: AdamWSettings, dtype: torch.dtype = torch.bfloat16) -> bytes:
    """The step as a serialised HLO module.

    Args:
        config: A transformers configuration.
        shape: Of mesh and batch.
        settings: Of the optimizer.
        dtype: Of parameters and activations.
    """
    runtime.use_spmd()
    # Asked for by the mesh, which wants to cover all devices.
    runtime.global_runtime_device_count = lambda: shape.mesh.chips
    chips = PlaceholderSlice(shape.mesh)
    attention.register(chips, kernel=shape.kernel)
    if shape.kernel:
        attention.lower_kernels_for_tpu()
    module = empty(config, chips, config.model_type)
    plan = sharding_plan({name: parameter.shape for name, parameter in module.named_parameters()}, chips.shape)
    nothing = torch.zeros(1, dtype=dtype)
    values = ((name, nothing.expand(parameter.shape)) for name, parameter in list(module.named_parameters()))
    fill(module, values, plan, dtype, chips)
    prepare(module, chips, rematerialise=shape.rematerialise)
    model = ShardedModel(module, chips, plan, ())
    optimizer = AdamW(model.parameters(), plan, [], settings, chips)
    optimizer.create_empty()
    taken = TakenGraph(lambda: [*optimizer.parameters.values(), *optimizer.tensors().values(), step.gauges])
    step = TrainStep(model, optimizer, taken)
    ids = torch.zeros(1, dtype=torch.int32).expand(shape.rows, shape.width)
    step({"input_ids": ids, "labels": ids}, shape.rows * shape.width, 1e-5, 1)
    return taken.program


class PlaceholderSlice(Slice):
    """A slice on which tensors have no values."""

    def put_all(self, values: Mapping[str, Tensor], partitions: Mapping[str, Partition]) -> dict[str, Tensor]:
        placed = {}
        for name, value in values.items():
            placeholder = create_placeholder_tensor(tuple(value.shape), value.dtype)
            placed[name] = self.annotate(placeholder, partitions[name])
        return placed


class TakenGraph(GraphBook):
    """Takes the graph of a step instead of running it."""

    def __init__(self, results: Callable[[], Iterable[Tensor]]) -> None:
        super().__init__()
        self._results = results
        self.program = b""

    def run(self, name: str, step: int) -> None:
        distinct = list({id(tensor): tensor for tensor in self._results()}.values())
        self.program = torch_xla._XLAC._get_xla_tensors_hlo_proto(distinct)
