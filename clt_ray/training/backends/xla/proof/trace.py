"""Trace the trainer's step for a slice that this machine does not have, as a program for libtpu's compiler.

    python -m clt_ray.training.backends.xla.proof.trace STEP.json PROGRAM.hlo       # writes PROGRAM.json, too

The step is the trainer's own (`step.TrainStep`). Only its foundations are replaced: tensors have a shape, a number
format and a partition but no memory, and the graph is taken instead of being run. What a compiler reports for the
program (memory per chip, collectives) therefore holds for the step that training will run.

STEP.json holds the fields of `depth.Step`, PROGRAM.json the list `TakenGraph.replaced`. The number of devices is fixed
when torch_xla starts, so the process has to be started with `environment.tracing_environment(chips)`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch_xla.runtime as runtime
from torch import Tensor
from torch_xla.core.xla_builder import create_placeholder_tensor
from transformers import CONFIG_MAPPING

from clt_ray.families import Partition
from clt_ray.training.backends.xla import attention, private
from clt_ray.training.backends.xla.decode import Decoder
from clt_ray.training.backends.xla.graphs import Computation, GraphBook
from clt_ray.training.backends.xla.model import ShardedModel, fill, prepare, without_values
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import MeshShape, sharding_plan
from clt_ray.training.backends.xla.proof.depth import Step
from clt_ray.training.backends.xla.slice import Slice, computation_type
from clt_ray.training.backends.xla.step import TrainStep


def trace(shape: Step, settings: AdamWSettings) -> "TakenGraph":
    """Returns the program of a step, or of one more token of every reply."""
    model, taken = without_memory(shape), TakenGraph()
    if shape.new_tokens:
        decoder = Decoder(model, [0], 0, shape.rows, shape.new_tokens, shape.width, taken)
        one = {"token": torch.zeros(shape.rows, 1), "position": torch.zeros(shape.rows, 1), "slot": torch.zeros(1)}
        placed = model.chips.put_all({name: value.long() for name, value in one.items()}, dict.fromkeys(one, ()))
        decoder.read(replace(decoder.start([[0] * shape.width] * shape.rows), **placed), 1)
        return taken
    optimizer = AdamW(model.parameters(), model.plan, [], settings, model.chips)
    optimizer.create_empty()
    step = TrainStep(model, optimizer, taken)
    ids = torch.zeros(1, dtype=torch.int32).expand(shape.rows, shape.width)
    step({"input_ids": ids, "labels": ids}, shape.rows * shape.width, 1e-5, 1)
    return taken


def without_memory(shape: Step) -> ShardedModel:
    """Returns a model whose parameters have shapes and partitions, but no values."""
    config, mesh = CONFIG_MAPPING[shape.model["model_type"]](**shape.model), MeshShape(*shape.mesh)
    dtype = computation_type(shape.precision)
    runtime.use_spmd()
    # The mesh asks for this number and refuses to cover fewer devices than there are.
    runtime.global_runtime_device_count = lambda: mesh.chips
    chips = PlaceholderSlice(mesh)
    attention.register(chips, kernel=shape.kernel)
    if shape.kernel:
        attention.lower_kernels_for_tpu()
    module, family = without_values(config, chips, config.model_type)
    plan = sharding_plan(family, {name: parameter.shape for name, parameter in module.named_parameters()}, chips.shape)
    zero = torch.zeros(1, dtype=dtype)
    values = ((name, zero.expand(parameter.shape)) for name, parameter in list(module.named_parameters()))
    fill(module, values, plan, dtype, chips)
    prepare(module, chips, rematerialise=shape.rematerialise)
    return ShardedModel(module, family, chips, plan, ())


class PlaceholderSlice(Slice):
    """A slice on which tensors have no values."""

    def put_all(self, values: Mapping[str, Tensor], partitions: Mapping[str, Partition]) -> dict[str, Tensor]:
        placed = {}
        for name, value in values.items():
            placeholder = create_placeholder_tensor(tuple(value.shape), value.dtype)
            placed[name] = self.annotate(placeholder, partitions[name])
        return placed

    def zeros(self, shape: Sequence[int], dtype: torch.dtype, partition: Partition) -> Tensor:
        return self.put(torch.zeros(1, dtype=dtype).expand(tuple(shape)), partition)

    def make(self) -> None:
        """Does nothing: there is nothing to compute."""


class TakenGraph(GraphBook):
    """Takes the graph of a computation instead of running it."""

    program = b""
    """A serialised HLO module."""
    arguments: Sequence[int | Tensor] = ()
    """What the program reads, as in `graphs.Program`."""
    values: Sequence[Tensor] = ()
    """The values of the arguments."""
    replaced: Sequence[int | None] = ()
    """For each result of the program, the argument whose place it takes; None for a value of its own."""

    def run(self, computation: Computation) -> list[Tensor]:
        results, self.arguments, self.values = computation.record()
        changed = len(computation.changed)
        index_of = {place: index for index, place in enumerate(self.arguments) if isinstance(place, int)}
        self.program = private.hlo_of(results)
        self.replaced = [index_of[place] if place < changed else None for place in range(len(results))]
        return results[changed:]


def main(arguments: Sequence[str]) -> None:
    source, target = map(Path, arguments)
    document = json.loads(source.read_text())
    settings = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)
    taken = trace(Step(**document), settings)
    target.write_bytes(taken.program)
    target.with_suffix(".json").write_text(json.dumps(taken.replaced))


if __name__ == "__main__":
    main(sys.argv[1:])
