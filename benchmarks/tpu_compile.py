"""Memory of a chip and compile time of the trainer's step, for the models and slices of `sweeps/paper`.

libtpu compiles the step that `XlaTrainer` runs, at each model's real layer shapes, for the topology, mesh, batch and
longest rows (2,048 tokens) that the sweep files name. No TPU and no weights are needed. What one layer more costs does
not depend on how many there are, so models with a few layers are compiled and the rest is a straight line through the
two deepest:

    full depth = deepest + (layers of the model - layers of the deepest) * (deepest - next) / (their difference)

The line is checked: with three depths, `off_the_line_gib` is how far the first is off the line of the others.

Per model: GiB of a chip at full depth for what stays (parameters and optimizer state), for what a step needs on top,
and for both with the program; seconds per compilation on this machine. The baseline is the chip's 16 GB. Compiling
takes up to ten gigabytes of this machine, and one to four minutes per depth on two cores.

    python benchmarks/tpu_compile.py [--layers 2 4 8] [--models llama-3.1-8b aya-23-8b aya-23-35b]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _result import emit
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec

CHIP_GIB = 16e9 / 2**30
"""High-bandwidth memory of a v5e chip."""

SWEEPS = (Path("sweeps/paper/llama.yaml"), Path("sweeps/paper/single_task.yaml"))
LAYERS = {"llama-3.1-8b": 32, "aya-23-8b": 32, "aya-23-35b": 40}
"""Of the published models."""
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
"""What decides the shapes of their tensors, from their published configurations."""
MEMORY = ("arguments_gib", "temporaries_gib", "code_gib")


def runs() -> dict[str, RunSpec]:
    """A run of each model, as the sweep files have it."""
    return {run.model.name: run for sweep in SWEEPS for run in expand(load_sweep(str(sweep)))}


def compiled(run: RunSpec, layers: int, folder: Path) -> dict[str, float]:
    """What one chip needs for a run's step, its model cut to some layers."""
    from clt_ray.training.backends.xla.trace import environment

    model = SHAPES[run.model.name] | {"num_hidden_layers": layers}
    mesh = run.hardware.mesh_shape
    shape = {"mesh": list(mesh), "rows": run.training.batch_size, "width": run.training.max_length}
    (folder / "step.json").write_text(json.dumps({"model": model, "shape": shape}))
    paths = [str(folder / name) for name in ("step.json", "step.hlo")]
    output("clt_ray.aot.trace", *paths, variables=environment(run.hardware.chips))
    found = json.loads(output("clt_ray.aot.compile", paths[1], f"v5e:{run.hardware.topology}").splitlines()[-1])
    assert found["chips"] == run.hardware.chips
    return {name: found[name] for name in (*MEMORY, "compile_seconds", "kernels")}


def output(module: str, *arguments: str, variables: dict[str, str] | None = None) -> str:
    """What a module prints, run in a process of its own: torch_xla and libtpu each want one."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(variables or {})}, check=False
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def line(near: float, far: float, depths: Sequence[int], layers: int) -> float:
    """Value at `layers` of the straight line through those at two depths."""
    return far + (layers - depths[1]) * (far - near) / (depths[1] - depths[0])


def figures_of(run: RunSpec, depths: Sequence[int]) -> dict[str, float]:
    """Compile a run's step at each depth, and extend the last two to the model's own."""
    with tempfile.TemporaryDirectory() as folder:
        found = {layers: compiled(run, layers, Path(folder)) for layers in depths}
    figures = {f"{name}_{layers}_layers": value for layers, needs in found.items() for name, value in needs.items()}
    near, far = found[depths[-2]], found[depths[-1]]
    full = LAYERS[run.model.name]
    for name in MEMORY:
        figures[name] = line(near[name], far[name], depths[-2:], full)
    figures["total_gib"] = sum(figures[name] for name in MEMORY)
    if len(depths) > 2:
        first, on_line = (
            sum(found[depths[0]][name] for name in MEMORY),
            sum(line(near[name], far[name], depths[-2:], depths[0]) for name in MEMORY),
        )
        figures["off_the_line_gib"] = first - on_line
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--models", nargs="+", choices=LAYERS, default=list(LAYERS))
    options = parser.parse_args(arguments)
    if len(options.layers) < 2 or sorted(set(options.layers)) != options.layers:
        parser.error("--layers wants two depths or more, the deepest last")
    planned, figures = runs(), {}
    for name in options.models:
        measured = figures_of(planned[name], options.layers)
        figures |= {f"{name}.{key}": value for key, value in measured.items()}
        print(f"{name}: {measured['total_gib']:.2f} GiB", file=sys.stderr)
    emit("tpu_compile", figures, {f"{name}.total_gib": CHIP_GIB for name in options.models})


if __name__ == "__main__":
    main()
