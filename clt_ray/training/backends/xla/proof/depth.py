"""Compile a model's training step with all layers where this machine has the memory, else extrapolate from fewer.

The memory that compiling takes grows linearly with the number of layers, whatever the size of a layer: `BASE_BYTES`
and `LAYER_BYTES` were measured. Where a model has more layers than this machine has memory for, the step is compiled
at two depths. The cost of one more layer hardly depends on how many there are, so a straight line through both depths
gives the cost at the model's own depth:

    full = deeper + (layers - depth of deeper) * (deeper - shallower) / (difference of both depths)

Example: with 10 and 20 layers at 2.0 and 3.0 GiB, a model of 40 layers needs 3.0 + 20 * 0.1 = 5.0 GiB. Below about
eight layers the compiler has memory to spare and uses it, so the line would be wrong (`benchmarks/tpu_compile.py`
measures how far other depths are off the line).
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from clt_ray.errors import CltRayError
from clt_ray.training.backends.fit import CompiledStep
from clt_ray.training.backends.xla.environment import tracing_environment

BASE_BYTES: Final = 3e9
"""Memory in bytes that tracing and compiling take without any layer, for 64 to 256 chips."""
LAYER_BYTES: Final = 0.85e9
"""Memory in bytes that each layer adds: 0.65e9 for 64 chips and 0.8e9 for 256 were measured."""
FEWEST: Final = 8
"""Smallest number of layers for the deeper end of an extrapolation."""
COMPILERS: Final = ("torch", "torch_xla", "libtpu", "jax", "transformers")
"""Packages on which the compiled program depends."""
_LAYERS: Final = "num_hidden_layers"
_LAYER_TYPES: Final = "layer_types"
"""Key of a configuration with one kind of attention (full or with a sliding window) per layer."""
_PER_LAYER: Final = ("arguments_gib", "temporaries_gib", "code_gib", "flops", "bytes_accessed")


class CompilationError(CltRayError):
    """The step could not be traced or compiled."""


class OutOfMemory(CompilationError):
    """The compiler reports that the step does not fit into the memory of a chip."""


@dataclass(frozen=True)
class Step:
    """A training step to compile."""

    model: Mapping[str, Any]
    """A transformers configuration, as its `to_dict` returns it."""
    topology: str
    """Topology by libtpu's name for it, such as `v5e:2x2`."""
    mesh: tuple[int, int]
    """(fsdp, tensor) sizes; their product is the number of chips."""
    rows: int
    """Rows of a global batch."""
    width: int
    """Tokens of a row."""
    precision: str = "bf16"
    """Number format of parameters and activations: `bf16` or `fp32`."""
    rematerialise: bool = True
    """Whether the activations of a layer are recomputed in the backward pass."""
    new_tokens: int = 0
    """Length limit of a reply in tokens, to compile the program that adds a token to replies to prompts of `width`
    tokens; 0 to compile a training step."""
    kernel: bool = True
    """Whether attention is the TPU's Pallas kernel."""

    @property
    def layers(self) -> int:
        """Number of layers of the model."""
        return int(self.model[_LAYERS])


def affordable_depths(layers: int, available: int) -> tuple[int, ...]:
    """Returns the numbers of layers to compile: all of the model, or the two depths to extrapolate from.

    Raises:
        CompilationError: The memory does not suffice for `FEWEST` layers.
    """
    affordable = int((available - BASE_BYTES) / LAYER_BYTES)
    if affordable >= layers:
        return (layers,)
    if affordable < FEWEST:
        required = BASE_BYTES + FEWEST * LAYER_BYTES
        raise CompilationError(
            f"compiling takes {required / 1e9:.0f} GB of memory, and this machine has {available / 1e9:.1f} GB left; "
            "use a machine with more memory"
        )
    return affordable // 2, affordable


def compile_model(step: Step, depths: Sequence[int]) -> CompiledStep:
    """Compiles a step and returns its cost at the full depth of its model.

    Returns:
        The cost at full depth; `compile_seconds` is the time that all compilations took on this machine.

    Raises:
        OutOfMemory: The step does not fit into a chip even at one of these depths.
        CompilationError: The step cannot be traced or compiled.
    """
    compiled = [compile_layers(step, layers) for layers in depths]
    if len(compiled) == 1:
        return compiled[0]
    return extrapolate(compiled[0], compiled[1], (depths[0], depths[1]), step.layers)


def compile_layers(step: Step, layers: int) -> CompiledStep:
    """Traces and compiles a step with the given number of layers, each in a process of its own.

    The cost is kept in the user's cache folder, under a digest of everything that can change it.
    """
    model = {**step.model, _LAYERS: layers}
    if model.get(_LAYER_TYPES) is not None:
        model[_LAYER_TYPES] = model[_LAYER_TYPES][:layers]
    described = json.dumps(asdict(replace(step, model=model)), sort_keys=True)
    known = _cache() / f"{hashlib.sha256((described + _compiler()).encode()).hexdigest()[:32]}.json"
    if known.exists():
        return CompiledStep(**json.loads(known.read_text()))
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "step.json"), Path(folder, "program.hlo")
        source.write_text(described)
        _run_module("trace", str(source), str(program), **tracing_environment(step.mesh[0] * step.mesh[1]))
        printed = _run_module("compile", str(program), step.topology).splitlines()[-1]
    with tempfile.NamedTemporaryFile("w", dir=_cache(), delete=False) as written:
        written.write(printed)
    Path(written.name).rename(known)
    return CompiledStep(**json.loads(printed))


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clt-ray" / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _compiler() -> str:
    """Returns a digest of this backend's source code, and the versions of the packages that make the program."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return " ".join([digest.hexdigest(), *(f"{name} {version(name)}" for name in COMPILERS)])


def extrapolate(shallower: CompiledStep, deeper: CompiledStep, depths: tuple[int, int], layers: int) -> CompiledStep:
    """Extrapolates linearly from the costs at two depths, the number of kernels included."""

    def on_line(first: float, last: float) -> float:
        return last + (layers - depths[1]) * (last - first) / (depths[1] - depths[0])

    values: dict[str, Any] = {name: on_line(getattr(shallower, name), getattr(deeper, name)) for name in _PER_LAYER}
    moved = {kind: on_line(shallower.collectives.get(kind, 0), last) for kind, last in deeper.collectives.items()}
    kernels = round(on_line(shallower.kernels, deeper.kernels))
    seconds = shallower.compile_seconds + deeper.compile_seconds
    return replace(deeper, **values, collectives=moved, kernels=kernels, compile_seconds=seconds)


def _run_module(name: str, *arguments: str, **variables: str) -> str:
    """Runs a module of this folder and returns its output; torch_xla and libtpu each need a process of their own."""
    module = f"{__package__}.{name}"
    command = [sys.executable, "-m", module, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    if not finished.returncode:
        return finished.stdout
    lines = [line for line in finished.stderr.splitlines() if line.strip()] or ["no message"]
    # jaxlib's errors are one line with the reason, followed by pages that list the tensors in memory.
    reason = next((line for line in lines if "RESOURCE_EXHAUSTED" in line), lines[-1])
    if "memory space hbm" in reason:
        raise OutOfMemory(reason)
    raise CompilationError(f"python -m {module} ended with exit code {finished.returncode}: {reason}")
