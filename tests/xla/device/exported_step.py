"""Export a training step as the program that every host of a slice runs, with what it reads, and take the same steps.

Usage: exported_step.py MODEL_DIRECTORY FOLDER FSDP TENSOR

Writes to FOLDER `step.hlo` and `values.npz`: the arguments of the program by their number, as whole arrays, and what
each of `STEPS` steps reads besides. Prints as JSON the place of each argument, and what this process measured in the
same steps. A place is that of a tensor which a step replaces; from `FIRST_READ` on, that of a batch's part; or -1 for a
value that no step changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_xla.runtime as runtime
from torch import Tensor

from clt_ray.training.backends.xla import attention
from clt_ray.training.backends.xla.graphs import Computation, GraphBook
from clt_ray.training.backends.xla.model import load
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import BATCH, MeshShape
from clt_ray.training.backends.xla.proof.trace import TakenGraph
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.backends.xla.step import TrainStep

STEPS = 3


FIRST_READ = 10_000
PARTS_OF_A_STEP = 3
"""Numbers, token ids and labels."""


class Export(TakenGraph):
    """Takes the graph of the first step, and of every step what it reads besides the state."""

    def __init__(self) -> None:
        super().__init__()
        self.split: Callable[[Tensor], None] = lambda _: None
        self.places, self.arrays = list[int](), dict[str, np.ndarray[Any, Any]]()

    def run(self, computation: Computation) -> list[Tensor]:
        parts, state = computation.reads[:PARTS_OF_A_STEP], len(computation.changed)
        numbers = {id(part): FIRST_READ + number for number, part in enumerate(parts)}
        self.arrays |= {f"{computation.step}.{numbers[id(part)]}": part.cpu().numpy() for part in parts}
        if self.program:
            return []
        places = {place: numbers.get(id(tensor), place) for place, tensor in enumerate(computation.tensors)}
        whole = [tensor.detach().cpu().numpy() for tensor in computation.changed]
        for tensor in (*computation.changed, *parts):
            self.split(tensor)
        results = super().run(computation)
        for index, (argument, value) in enumerate(zip(self.arguments, self.values, strict=True)):
            place = places[argument] if isinstance(argument, int) else -1
            is_constant = state <= place < FIRST_READ or place < 0
            self.places.append(-1 if is_constant else place)
            if place < FIRST_READ:
                self.arrays[str(index)] = value.cpu().numpy() if is_constant else whole[place]
        return results


def train_step(model: str, mesh: MeshShape, graphs: GraphBook) -> TrainStep:
    chips = Slice(mesh)
    attention.register(chips, kernel=False)
    sharded = load(model, None, torch.float32, chips, rematerialise=True)
    settings = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)
    optimizer = AdamW(sharded.parameters(), sharded.plan, [], settings, chips)
    optimizer.create(sharded.masters())
    return TrainStep(sharded, optimizer, graphs)


def take(step: TrainStep) -> list[list[float]]:
    """Takes the steps and returns the loss and the gradient norm of each."""
    measured = []
    for number in range(1, STEPS + 1):
        ids = torch.randint(3, 500, (8, 64), generator=torch.Generator().manual_seed(number), dtype=torch.int32)
        step({"input_ids": ids, "labels": ids}, 8 * 63, 1e-3, number)
        gauges = step.read()
        measured.append([gauges.loss, gauges.norm])
        step.restart_mean()
    return measured


def main(model: str, folder: Path, mesh: MeshShape) -> None:
    runtime.use_spmd()
    measured, export = take(train_step(model, mesh, GraphBook())), Export()
    exported = train_step(model, mesh, export)
    plan, states = exported.model.plan, exported.optimizer.tensors()
    named = exported.model.parameters() | states
    partitions = {
        id(tensor): plan[name] if name in plan else plan[name.split(".", 1)[1]] for name, tensor in named.items()
    }

    def split(tensor: Tensor) -> None:
        """States in the program how an argument is split, as it is for tensors that have no values yet."""
        is_batch = tensor.dtype in (torch.int32, torch.int64)
        exported.model.chips.annotate(tensor, partitions.get(id(tensor), BATCH if is_batch else ()))

    export.split = split
    take(exported)
    (folder / "step.hlo").write_bytes(export.program)
    np.savez(folder / "values.npz", **dict[str, Any](export.arrays))
    print(json.dumps({"places": export.places, "measured": measured, "gauges": len(partitions)}))


main(sys.argv[1], Path(sys.argv[2]), MeshShape(*map(int, sys.argv[3:])))
