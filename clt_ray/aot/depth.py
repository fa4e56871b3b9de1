"""What a model's step needs of a chip: compiled whole where this machine has the memory, else from fewer layers.

Compiling takes memory by the layer, whatever the layers' size: `BASE_BYTES` and `LAYER_BYTES` were measured. Where a
model has more layers than there is memory for, the step is compiled at two depths, since what one layer more costs
hardly depends on how many there are, and the rest is a straight line through both:

    full = deeper + (layers - depth of deeper) * (deeper - shallower) / (their difference)

With 10 and 20 layers, 2.0 and 3.0 GiB, a model of 40 layers needs 3.0 + 20 * 0.1 = 5.0 GiB. A few layers are not
enough: below about eight, the compiler has room to spare and uses it (`benchmarks/tpu_compile.py` measures how far
other depths are off the line).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from clt_ray.aot.compile import Needs
from clt_ray.errors import CltRayError

BASE_BYTES: Final = 3e9
"""Memory that tracing and compiling take beside the layers, for 64 to 256 chips."""
LAYER_BYTES: Final = 0.85e9
"""Memory that each layer adds: 0.65e9 for 64 chips and 0.8e9 for 256 were measured."""
FEWEST: Final = 8
"""Layers at the deeper end of a line that says something."""
_LAYERS: Final = "num_hidden_layers"
_PER_LAYER: Final = ("arguments_gib", "temporaries_gib", "code_gib", "flops", "bytes_accessed")


class CompilationError(CltRayError):
    """The step could not be traced or compiled."""


class OutOfMemory(CompilationError):
    """The compiler says that the step does not fit a chip."""


@dataclass(frozen=True)
class Step:
    """A training step to compile."""

    model: Mapping[str, Any]
    """A transformers configuration, as `to_dict` gives it."""
    topology: str
    """As libtpu names it, such as `v5e:8x8`."""
    mesh: tuple[int, int]
    """(fsdp, tensor) sizes; their product is the number of chips."""
    rows: int
    """Of a global batch."""
    width: int
    """Tokens of a row."""
    precision: str = "bf16"
    """Of parameters and activations: `bf16` or `fp32`."""
    rematerialise: bool = True
    """Whether layers' activations are recomputed in the backward pass."""
    kernel: bool = True
    """Whether attention is the TPU's kernel."""

    @property
    def layers(self) -> int:
        """Of the model."""
        return int(self.model[_LAYERS])


def depths(layers: int, available: int) -> tuple[int, ...]:
    """Numbers of layers to compile: all of them, or the two through which the line goes.

    Args:
        layers: Of the model.
        available: Bytes of memory that are left on this machine.

    Raises:
        CompilationError: There is not memory enough for `FEWEST` layers.
    """
    affordable = int((available - BASE_BYTES) / LAYER_BYTES)
    if affordable >= layers:
        return (layers,)
    if affordable < FEWEST:
        wanted = BASE_BYTES + FEWEST * LAYER_BYTES
        raise CompilationError(
            f"compiling takes {wanted / 1e9:.0f} GB of memory, and this machine has {available / 1e9:.1f} GB left"
        )
    return affordable // 2, affordable


def needs(step: Step, compiled: Sequence[int]) -> Needs:
    """What one chip needs for a step at its model's full depth; `compile_seconds` is what compiling took here.

    Args:
        step: Of the whole model.
        compiled: Numbers of layers to compile, from `depths`.

    Raises:
        OutOfMemory: It does not fit even at one of these depths.
        CompilationError: It cannot be traced or compiled.
    """
    found = [needs_at(step, layers) for layers in compiled]
    if len(found) == 1:
        return found[0]
    return extended(found[0], found[1], (compiled[0], compiled[1]), step.layers)


def needs_at(step: Step, layers: int) -> Needs:
    """What one chip needs for a step of so many layers; traced and compiled in processes of their own."""
    from clt_ray.training.backends.xla.environment import tracing_environment

    shape = {
        "mesh": list(step.mesh), "rows": step.rows, "width": step.width, "rematerialise": step.rematerialise,
        "kernel": step.kernel,
    }  # fmt: skip
    document = {"model": {**step.model, _LAYERS: layers}, "shape": shape, "precision": step.precision}
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "step.json"), Path(folder, "step.hlo")
        source.write_text(json.dumps(document))
        _output("clt_ray.aot.trace", str(source), str(program), **tracing_environment(step.mesh[0] * step.mesh[1]))
        printed = _output("clt_ray.aot.compile", str(program), step.topology)
    return Needs(**json.loads(printed.splitlines()[-1]))


def extended(near: Needs, far: Needs, depths: tuple[int, int], layers: int) -> Needs:
    """The straight line through the needs at two depths, at another; the kernels' number is on it too."""

    def at(name: str) -> float:
        first, last = getattr(near, name), getattr(far, name)
        return float(last + (layers - depths[1]) * (last - first) / (depths[1] - depths[0]))

    seconds = near.compile_seconds + far.compile_seconds
    values: dict[str, Any] = {name: at(name) for name in _PER_LAYER}
    return replace(far, **values, kernels=round(at("kernels")), compile_seconds=seconds)


def _output(module: str, *arguments: str, **variables: str) -> str:
    """What a module prints, run in a process of its own: torch_xla and libtpu each want one."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    if not done.returncode:
        return done.stdout
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
    # jaxlib's errors are one line that says why, and pages of what lies in memory.
    why = next((line for line in lines if "RESOURCE_EXHAUSTED" in line), lines[-1])
    if "memory space hbm" in why:
        raise OutOfMemory(why)
    raise CompilationError(f"python -m {module} ended with {done.returncode}: {why}")
