"""Measures how long the host takes to start a training step, when it records the step and when it repeats a program.

A Llama of 32 layers, each of them narrow, trains on four virtual devices: the host's work does not depend on the width
of a layer, and the devices' work is kept out by counting the CPU time of the thread that starts the steps. Two steps
are recorded, as in every run, and later ones repeat the compiled program with other tensors
(`clt_ray.training.backends.xla.graphs`). The baseline records every step, as torch_xla does by itself. The losses of
both are compared.

    .venv-tpu/bin/python benchmarks/xla_host_time.py [--layers 32] [--steps 6]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _result import emit

os.environ.update(PJRT_DEVICE="CPU", CPU_NUM_DEVICES="4", XLA_NO_SPECIAL_SCALARS="1")

import torch
import torch_xla.runtime as runtime
from transformers import LlamaConfig, LlamaForCausalLM

from clt_ray.training.backends.xla import attention
from clt_ray.training.backends.xla.graphs import GraphBook
from clt_ray.training.backends.xla.model import load
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import MeshShape
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.backends.xla.step import TrainStep

ROWS, WIDTH = 4, 64
NARROW: dict[str, Any] = {"vocab_size": 256, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
          "num_key_value_heads": 2, "max_position_embeddings": WIDTH}  # fmt: skip


def train_step(folder: Path) -> TrainStep:
    chips = Slice(MeshShape(4, 1))
    attention.register(chips, kernel=False)
    model = load(str(folder), None, torch.bfloat16, chips, rematerialise=True)
    optimizer = AdamW(model.parameters(), model.plan, [], AdamWSettings(0.9, 0.999, 0.0, 1.0), chips)
    optimizer.create(model.masters())
    return TrainStep(model, optimizer, GraphBook())


def measured(step: TrainStep, steps: int, record: bool) -> tuple[list[float], list[float]]:
    """Returns the host's seconds and the loss of each step; every step is recorded if `record` is set."""
    seconds, losses = [], []
    for number in range(1, steps + 1):
        if record:
            step.graphs = GraphBook()
        ids = torch.randint(256, (ROWS, WIDTH), generator=torch.Generator().manual_seed(number), dtype=torch.int32)
        began = time.thread_time()
        step({"input_ids": ids, "labels": ids}, ROWS * (WIDTH - 1), 1e-3, number)
        seconds.append(time.thread_time() - began)
        losses.append(step.read().loss)
        step.restart_mean()
    return seconds, losses


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args(arguments)
    runtime.use_spmd()
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        LlamaForCausalLM(LlamaConfig(**NARROW, num_hidden_layers=options.layers)).save_pretrained(folder)
        repeated, losses = measured(train_step(Path(folder)), options.steps, record=False)
        recorded, expected = measured(train_step(Path(folder)), options.steps, record=True)
    assert losses == expected, (losses, expected)
    # Each list without its first step, which compiles, and the repeated one without the second, which is recorded.
    figures = {"host_seconds_per_step": min(repeated[2:]), "slowest_host_seconds": max(repeated[2:])}
    baseline = {"host_seconds_per_step": min(recorded[1:]), "slowest_host_seconds": max(recorded[1:])}
    emit("xla_host_time", figures | {"layers": options.layers}, baseline)


if __name__ == "__main__":
    main()
