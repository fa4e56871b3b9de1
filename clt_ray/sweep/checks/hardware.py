"""Hardware: slices that exist, meshes that cover them, batches that divide over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clt_ray.errors import Problem
from clt_ray.suggest import remedy
from clt_ray.sweep.accelerators import ACCELERATORS, CPU, TPUS, chips, fsdp_and_tensor, parse_shape
from clt_ray.sweep.checks.reading import known_models, section, used
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.sections import TrainingSpec
from clt_ray.sweep.spec import EVERY_OTHER_MODEL, is_one_hardware

_OTHER_NAMES = {"TPU-V5E": "TPU-V5LITEPOD", "V5E": "TPU-V5LITEPOD", "TPU-V7": "TPU-V7X", "CUDA": "GPU"}
"""What people call an accelerator, and the name Ray has for it."""


def check_hardware(document: Document) -> Iterator[Problem]:
    """Each machine is possible, and the batch of the models that use it divides over it."""
    given = section(document, "hardware")
    if not given or is_one_hardware(given):
        yield from _machine(document, ("hardware",), given)
        return
    models = [*known_models(document), EVERY_OTHER_MODEL]
    for name in given:
        path: KeyPath = ("hardware", name)
        if name not in models:
            yield document.problem(path, "unknown model", remedy(name, models, "models"), value=None)
        needed = name in used(document, "model") or name == EVERY_OTHER_MODEL
        yield from _machine(document, path, section(document, *path), check_batch=needed)


def _machine(
    document: Document, path: KeyPath, given: Mapping[str, Any], *, check_batch: bool = True
) -> Iterator[Problem]:
    accelerator = given.get("accelerator", CPU)
    if not isinstance(accelerator, str):
        return
    if accelerator not in ACCELERATORS:
        meant = _OTHER_NAMES.get(accelerator.upper(), accelerator.upper())
        where = (*path, "accelerator")
        yield document.problem(where, "unknown accelerator", remedy(meant, ACCELERATORS, "accelerators"))
    elif accelerator in TPUS:
        yield from _slice(document, path, given, accelerator, check_batch)
    else:
        for key in ("topology", "mesh"):
            if given.get(key) is not None:
                message = f"is for TPU slices, and the accelerator is {accelerator}"
                yield document.problem((*path, key), message, "remove it; workers says how many processes")
        workers = given.get("workers", 1)
        if check_batch and type(workers) is int and workers > 0:
            yield from _batch(document, workers, "workers", (*path, "workers"))


def _slice(
    document: Document, path: KeyPath, given: Mapping[str, Any], accelerator: str, check_batch: bool
) -> Iterator[Problem]:
    if given.get("workers") is not None:
        message = "a TPU slice has one process per host"
        yield document.problem((*path, "workers"), message, "remove it; topology says how many hosts there are")
    topology, mesh = given.get("topology"), given.get("mesh")
    if topology is None:
        yield document.problem((*path, "topology"), "a TPU needs one", "write the slice's shape, such as 8x8")
        return
    size = None
    if isinstance(topology, str):
        wrong = _wrong_topology(topology, accelerator)
        if wrong:
            yield document.problem((*path, "topology"), *wrong)
        else:
            size = chips(topology)
    fsdp = size
    if isinstance(mesh, str):
        try:
            fsdp, tensor = fsdp_and_tensor(mesh)
        except ValueError:
            yield document.problem((*path, "mesh"), "is not a mesh", "write fsdp x tensor, such as 64x1")
            return
        if size is not None and fsdp * tensor != size:
            message = f"covers {fsdp * tensor} chips, and topology {topology} has {size}"
            yield document.problem((*path, "mesh"), message, f"write {size}x1, or another product of {size}")
            return
    if check_batch and fsdp is not None:
        yield from _batch(document, fsdp, "chips that split the batch", (*path, "mesh" if mesh else "topology"))


def _wrong_topology(topology: str, accelerator: str) -> tuple[str, str] | None:
    kind = TPUS[accelerator]
    example = "x".join(["4"] * kind.dimensions)
    try:
        shape = parse_shape(topology)
    except ValueError:
        return "is not a topology", f"write whole numbers joined by x, such as {example}"
    if kind.topologies and topology not in kind.topologies:
        return f"is no slice of {accelerator}", f"slices: {', '.join(kind.topologies)}"
    if len(shape) != kind.dimensions:
        return f"has {len(shape)} dimensions, and {accelerator} slices have {kind.dimensions}", f"such as {example}"
    return None


def _batch(document: Document, parts: int, what: str, because: KeyPath) -> Iterator[Problem]:
    batch = document.get("training", "batch_size", default=TrainingSpec().batch_size)
    if type(batch) is not int or batch <= 0 or batch % parts == 0:
        return
    path: KeyPath = ("training", "batch_size")
    lower, upper = batch // parts * parts, (batch // parts + 1) * parts
    choices = f"{lower} or {upper}" if lower else str(upper)
    reason = f"is not a multiple of the {parts} {what} of {'.'.join(map(str, because[:-1]))}"
    yield document.problem(path, reason, f"write {choices}", value=batch)
