"""Prove that runs fit the chips of their slices, by compiling the training step and the decoding of each shape."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.accelerators import TPUS, TpuKind
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.fit import DECODING, TRAINING, CompiledStep, FitProof
from clt_ray.training.backends.xla.buckets import widths
from clt_ray.training.backends.xla.host_memory import available_bytes
from clt_ray.training.backends.xla.proof.depth import COMPILERS, OutOfMemory, Step, affordable_depths, compile_model
from clt_ray.training.model import location, recomputes

_OPTION = "plan --compile"


def prove(runs: Iterable[RunSpec], announce: Callable[[FitProof], None]) -> list[FitProof]:
    """Proves that runs fit the memory of their chips, by compiling each distinct program without a TPU.

    There are two for every model, batch and slice: a training step on the longest rows, and a token of decoding with
    the longest prompts and replies. Weights are not needed, only each model's configuration. Compiling a model of
    billions of parameters takes minutes and most of this machine's memory. Where the memory does not suffice for all
    layers, fewer are compiled and the result is extrapolated (`depth`). Runs on CPU or GPU are passed over. `announce`
    is called with each proof before its compilation.

    Raises:
        ConfigurationError: No run is on a TPU that the compiler supports, a model's configuration cannot be read, or
            the compiler is not installed in this environment.
        CompilationError: A step cannot be traced or compiled for another reason than the memory of the chip.
    """
    groups: dict[tuple[Any, ...], list[RunSpec]] = {}
    distinct = {run.run_id: run for run in runs}.values()
    for run in (placement for original in distinct for placement in original.placements):
        if run.hardware.is_tpu and TPUS[run.hardware.accelerator].compiler_name is not None:
            training, hardware = run.training, run.hardware
            shape = hardware.accelerator, hardware.topology, hardware.mesh_shape, training.precision
            key = run.model.name, run.model.source, *shape, training.batch_size, training.max_length, *_evaluation(run)
            groups.setdefault(key, []).append(run)
    _require(groups)
    return [_proof(same_shape, program, announce) for same_shape in groups.values() for program in (TRAINING, DECODING)]


def _require(groups: object) -> None:
    problems = []
    if not groups:
        known = ", ".join(name for name, kind in TPUS.items() if kind.compiler_name)
        message = "no run is on a TPU that libtpu compiles for"
        remedy = f"--set hardware.accelerator=TPU-V5LITEPOD --set hardware.topology=8x8 (known: {known})"
        problems.append(Problem(_OPTION, "hardware.accelerator", None, message, remedy))
    missing = [name for name in COMPILERS if find_spec(name) is None]
    if missing:
        message = f"{', '.join(missing)}: not installed in this environment"
        remedy = "pip install 'clt-ray[tpu]' in an environment of its own (make .venv-tpu/.installed)"
        problems.append(Problem(_OPTION, "", None, message, remedy))
    if problems:
        raise ConfigurationError(problems)


def _evaluation(run: RunSpec) -> tuple[int, int]:
    """Returns the number of prompts at a time and the length limit of the longest replies in tokens."""
    fsdp, prompts = run.hardware.mesh_shape[0], run.evaluation.batch_size
    return -(-prompts // fsdp) * fsdp, max(run.evaluation.tokens_for(task) for task in run.tasks)


def _proof(runs: list[RunSpec], program: str, announce: Callable[[FitProof], None]) -> FitProof:
    run = runs[0]
    hardware, training = run.hardware, run.training
    kind = TPUS[hardware.accelerator]
    topology = hardware.topology or "1x1"
    prompts, new_tokens = _evaluation(run)
    longest = widths(training.max_length)[-1]
    rows, replies = (training.batch_size, 0) if program == TRAINING else (prompts, new_tokens)
    step = Step(
        _configuration(run), f"{kind.compiler_name}:{topology}", hardware.mesh_shape, rows, longest,
        training.precision, recomputes(run.model), new_tokens=replies,
    )  # fmt: skip
    depths = affordable_depths(step.layers, available_bytes())
    proof = FitProof(
        model=run.model.name,
        program=program,
        accelerator=hardware.accelerator,
        topology=topology,
        mesh="x".join(map(str, hardware.mesh_shape)),
        rows=rows,
        tokens=longest + replies,
        runs=len(runs),
        chip_gib=kind.memory / 2**30,
        layers=step.layers,
        compiled_layers=depths,
    )
    announce(proof)
    try:
        compiled = compile_model(step, depths)
    except OutOfMemory as error:
        return replace(proof, error=str(error))
    return replace(proof, compiled=compiled, bounds=bounds(compiled, kind))


def bounds(compiled: CompiledStep, kind: TpuKind) -> dict[str, float]:
    """Returns the shortest seconds that arithmetic, memory and interconnect of a chip allow for a program.

    Source: the roofline model of Williams, Waterman and Patterson (Communications of the ACM 52, 2009). A result of an
    all-reduce passes every link twice, those of other collectives once.
    """
    moved = sum(size * (2 if name == "all-reduce" else 1) for name, size in compiled.collectives.items())
    rates = {
        "compute": (compiled.flops, kind.peak_flops),
        "memory": (compiled.bytes_accessed, kind.bandwidth),
        "interconnect": (moved, kind.interconnect),
    }
    return {name: amount / rate for name, (amount, rate) in rates.items() if rate is not None}


def _configuration(run: RunSpec) -> dict[str, Any]:
    # Where torch_xla is installed, transformers asks it for a device; this process must not claim a TPU.
    os.environ.setdefault("PJRT_DEVICE", "CPU")
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(location(run.model), revision=run.model.revision)
    except (OSError, ValueError) as error:
        message = str(error).splitlines()[0]
        remedy = "log in (hf auth login) or name a directory that has config.json"
        key = f"models.{run.model.name}.source"
        raise ConfigurationError([Problem(_OPTION, key, run.model.source, message, remedy)]) from error
    return dict(config.to_dict())
