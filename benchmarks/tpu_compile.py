"""Measures the memory per chip and the compile time of the trainer's step, for the models and slices of
`sweeps/paper`.

libtpu compiles the step of `XlaTrainer` at each model's real layer shapes, for the topology, mesh, batch and
longest rows (2,048 tokens) of the sweep files, as `clt-ray plan --compile` does. It needs no TPU and no weights. A
few layers are compiled, and the cost of all layers is extrapolated linearly
(`clt_ray.training.backends.xla.proof.depth`). With three depths, the extrapolation is checked: `off_the_line_gib`
is the distance of the first depth from the line through the other two.

The figures of each model are, in GiB per chip at full depth, the memory that is permanently used (parameters and
optimizer state), the additional memory during a step, and the total with the program; and the seconds per
compilation on this machine. The baseline is the chip's 16 GB. Compiling takes up to 16 GB of this machine's memory
and one to four minutes per depth on two cores.

    python benchmarks/tpu_compile.py [--layers 8 12 16] [--models llama-3.1-8b aya-23-8b aya-23-35b]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _result import emit
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.xla.proof.depth import Step, compile_layers, extrapolate

CHIP_GIB = 16e9 / 2**30
"""High-bandwidth memory of a v5e chip."""

SWEEPS = (Path("sweeps/paper/llama.yaml"), Path("sweeps/paper/single_task.yaml"))
LAYERS = {"llama-3.1-8b": 32, "aya-23-8b": 32, "aya-23-35b": 40}
"""Number of layers of each published model."""
SHAPES: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": {
        "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072,
    },
    "aya-23-8b": {
        "model_type": "cohere", "vocab_size": 256000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192, "logit_scale": 0.0625,
    },
    "aya-23-35b": {
        "model_type": "cohere", "vocab_size": 256000, "hidden_size": 8192, "intermediate_size": 22528,
        "num_attention_heads": 64, "num_key_value_heads": 64, "max_position_embeddings": 8192, "logit_scale": 0.0625,
    },
}  # fmt: skip
"""The part of each published configuration that determines the shapes of the tensors."""
MEMORY = ("arguments_gib", "temporaries_gib", "code_gib")


def runs() -> dict[str, RunSpec]:
    """Returns one run of each model from the sweep files."""
    return {run.model.name: run for sweep in SWEEPS for run in expand(load_sweep(str(sweep)))}


def figures_of(run: RunSpec, depths: Sequence[int]) -> dict[str, float]:
    """Compiles the step of a run at each depth and extrapolates the last two depths to the depth of the model."""
    model = SHAPES[run.model.name] | {"num_hidden_layers": LAYERS[run.model.name]}
    training, hardware = run.training, run.hardware
    step = Step(model, f"v5e:{hardware.topology}", hardware.mesh_shape, training.batch_size, training.max_length)
    needs_at = {layers: compile_layers(step, layers) for layers in depths}
    shown = (*MEMORY, "compile_seconds", "kernels")
    figures = {f"{name}_{layers}_layers": getattr(needs, name) for layers, needs in needs_at.items() for name in shown}
    ends = depths[-2], depths[-1]
    whole = extrapolate(needs_at[ends[0]], needs_at[ends[1]], ends, step.layers)
    figures |= {name: getattr(whole, name) for name in (*MEMORY, "total_gib")}
    if len(depths) > 2:
        on_line = extrapolate(needs_at[ends[0]], needs_at[ends[1]], ends, depths[0])
        figures["off_the_line_gib"] = needs_at[depths[0]].total_gib - on_line.total_gib
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs="+", default=[8, 12, 16])
    parser.add_argument("--models", nargs="+", choices=LAYERS, default=list(LAYERS))
    options = parser.parse_args(arguments)
    if len(options.layers) < 2 or sorted(set(options.layers)) != options.layers:
        parser.error("--layers needs at least two depths in ascending order")
    planned = runs()
    figures: dict[str, float] = {}
    for name in options.models:
        measured = figures_of(planned[name], options.layers)
        figures |= {f"{name}.{key}": value for key, value in measured.items()}
        print(f"{name}: {measured['total_gib']:.2f} GiB", file=sys.stderr)
    emit("tpu_compile", figures, {f"{name}.total_gib": CHIP_GIB for name in options.models})


if __name__ == "__main__":
    main()
