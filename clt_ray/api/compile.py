"""The verb `plan --compile`: do the planned runs fit the chips of their slices? The compiler says, without a TPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.accelerators import TPUS
from clt_ray.sweep.plan import Plan
from clt_ray.sweep.run import RunSpec

COMPILERS = ("torch_xla", "libtpu", "jax")
"""Packages of the `tpu` extra that tracing and compiling need."""


@dataclass(frozen=True)
class Proof:
    """What the compiler says of the runs that train one model in one shape on one kind of slice."""

    model: str
    """Name in the sweep."""
    accelerator: str
    topology: str
    mesh: str
    """fsdp x tensor."""
    batch_size: int
    """Rows of a global batch."""
    max_length: int
    """Tokens of the longest rows, which the step is compiled for."""
    runs: int
    """Planned runs that it holds for."""
    chip_gib: float
    """Memory of one chip."""
    layers: int
    """Of the model."""
    compiled_layers: tuple[int, ...]
    """What was compiled: all layers, or two depths through which a straight line goes to all."""
    state_gib: float | None = None
    """Parameters and optimizer state of one chip; None where nothing was compiled in the end."""
    step_gib: float | None = None
    """Activations, gradients and gathered weights of one chip during a step, with the program."""
    compile_seconds: float | None = None
    """What the compiler took on this machine."""
    error: str | None = None
    """Why the compiler refused."""

    @property
    def total_gib(self) -> float | None:
        """Memory that one chip needs."""
        return None if self.state_gib is None or self.step_gib is None else self.state_gib + self.step_gib

    @property
    def fits(self) -> bool:
        """Whether it does: the compiler found no reason against, and the sum is below the chip's memory."""
        return self.total_gib is not None and self.total_gib < self.chip_gib

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total_gib": self.total_gib, "fits": self.fits}


def prove(planned: Plan, announce: Callable[[Proof], None] = lambda _: None) -> list[Proof]:
    """Compile the training step of every distinct model, shape and slice of a plan.

    Weights are not needed, only each model's configuration. Compiling a model of billions of parameters takes minutes
    and most of this machine's memory; where that is too little, see `clt_ray.aot.depth`.

    Args:
        planned: From `plan`; runs on CPU or GPU are passed over.
        announce: Called with each proof before its compilation, so that a person knows what is waited for.

    Raises:
        ConfigurationError: No run is on a TPU that the compiler knows, a model's configuration cannot be read, or this
            environment cannot compile.
        clt_ray.aot.depth.CompilationError: The step cannot be traced or compiled for another reason than the chips'
            memory.
    """
    groups: dict[tuple[Any, ...], list[RunSpec]] = {}
    for run in {cell.run.run_id: cell.run for cell in planned.cells}.values():
        if run.hardware.is_tpu and TPUS[run.hardware.accelerator].compiler_name is not None:
            training, hardware = run.training, run.hardware
            shape = hardware.accelerator, hardware.topology, hardware.mesh_shape, training.precision
            key = run.model.name, run.model.source, *shape, training.batch_size, training.max_length
            groups.setdefault(key, []).append(run)
    _require(groups)
    return [_proof(runs, announce) for runs in groups.values()]


def _require(groups: object) -> None:
    """Raise what stands against compiling anything."""
    problems = []
    if not groups:
        known = ", ".join(name for name, kind in TPUS.items() if kind.compiler_name)
        problems.append(
            Problem("plan --compile", "hardware.accelerator", None, "no run is on a TPU that libtpu compiles for",
                    f"--set hardware.accelerator=TPU-V5LITEPOD --set hardware.topology=8x8 (known: {known})")
        )  # fmt: skip
    missing = [name for name in COMPILERS if find_spec(name) is None]
    if missing:
        problems.append(
            Problem("plan --compile", "", None, f"{', '.join(missing)}: not installed in this environment",
                    "pip install 'clt-ray[tpu]' in an environment of its own (make .venv-tpu/.installed)")
        )  # fmt: skip
    if problems:
        raise ConfigurationError(problems)


def _proof(runs: list[RunSpec], announce: Callable[[Proof], None]) -> Proof:
    from clt_ray.aot.depth import OutOfMemory, Step, depths, needs
    from clt_ray.training.backends.xla.host_memory import available_bytes
    from clt_ray.training.model import recomputes

    run = runs[0]
    hardware, training = run.hardware, run.training
    kind = TPUS[hardware.accelerator]
    fsdp, tensor = hardware.mesh_shape
    topology = hardware.topology or "1x1"
    step = Step(
        _configuration(run), f"{kind.compiler_name}:{topology}", (fsdp, tensor), training.batch_size,
        training.max_length, training.precision, rematerialise=recomputes(run.model),
    )  # fmt: skip
    compiled = depths(step.layers, available_bytes())
    proof = Proof(
        run.model.name, hardware.accelerator, topology, f"{fsdp}x{tensor}", training.batch_size, training.max_length,
        len(runs), kind.memory / 2**30, step.layers, compiled,
    )  # fmt: skip
    announce(proof)
    try:
        found = needs(step, compiled)
    except OutOfMemory as error:
        return replace(proof, error=str(error))
    rest = found.temporaries_gib + found.code_gib
    return replace(
        proof, state_gib=found.arguments_gib, step_gib=rest, compile_seconds=found.compile_seconds
    )  # fmt: skip


def _configuration(run: RunSpec) -> dict[str, Any]:
    """A model's transformers configuration, from its directory or the hub.

    Raises:
        ConfigurationError: It cannot be read.
    """
    # Where torch_xla is installed, transformers asks it for a device; this process wants none.
    os.environ.setdefault("PJRT_DEVICE", "CPU")
    from transformers import AutoConfig

    from clt_ray.training.model import location

    try:
        found = AutoConfig.from_pretrained(location(run.model), revision=run.model.revision)
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        remedy = "log in (hf auth login) or name a directory that has config.json"
        raise ConfigurationError(
            [Problem("plan --compile", f"models.{run.model.name}.source", run.model.source, why, remedy)]
        ) from error
    return dict(found.to_dict())
