"""Checks the hardware: slices exist, meshes cover them, and the batch divides over them."""

from collections.abc import Iterator

from clt_ray.suggest import remedy
from clt_ray.sweep.accelerators import ACCELERATORS, TPUS, chips, fsdp_and_tensor, parse_shape
from clt_ray.sweep.checks.findings import Finding, known_models
from clt_ray.sweep.checks.measurements import multiples_around
from clt_ray.sweep.document import KeyPath, dotted
from clt_ray.sweep.sections import HardwareSpec
from clt_ray.sweep.spec import EVERY_OTHER_MODEL, SweepSpec

_OTHER_NAMES = {"TPU-V5E": "TPU-V5LITEPOD", "V5E": "TPU-V5LITEPOD", "TPU-V7": "TPU-V7X", "CUDA": "GPU"}
"""Ray's names of accelerators by other names that people use."""


def check_hardware(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that each hardware entry can exist, and the batch of the models that use it divides over it."""
    models = [*known_models(spec), EVERY_OTHER_MODEL]
    used = {*spec.used("model"), EVERY_OTHER_MODEL}
    for name, kinds in spec.hardware.items():
        if name not in models:
            yield Finding(("hardware", name), "unknown model", remedy(name, models, "models"), value=None)
        for index, hardware in enumerate(kinds):
            path: KeyPath = ("hardware", name, index)
            if hardware in kinds[:index]:
                yield Finding(path, "is listed twice", "remove it", value=None)
            findings = list(_hardware_findings(path, hardware))
            yield from findings
            # A batch is not compared with a slice that has to change anyway.
            doubtful = {"accelerator", "topology", "mesh"} if hardware.is_tpu else set()
            if name in used and doubtful.isdisjoint(finding.path[-1] for finding in findings):
                yield from _batch_findings(spec, path, hardware)


def _hardware_findings(path: KeyPath, hardware: HardwareSpec) -> Iterator[Finding]:
    accelerator = hardware.accelerator
    if accelerator not in ACCELERATORS:
        meant = _OTHER_NAMES.get(accelerator.upper(), accelerator.upper())
        choices = remedy(meant, ACCELERATORS, "accelerators")
        yield Finding((*path, "accelerator"), "unknown accelerator", choices)
    elif hardware.is_tpu:
        yield from _slice_findings(path, hardware)
    else:
        for key in ("topology", "mesh"):
            if getattr(hardware, key) is not None:
                message = f"is for TPU slices, and the accelerator is {accelerator}"
                yield Finding((*path, key), message, "remove it; workers says how many processes")


def _slice_findings(path: KeyPath, hardware: HardwareSpec) -> Iterator[Finding]:
    topology, mesh = hardware.topology, hardware.mesh
    if "workers" in hardware.model_fields_set:
        message = "a TPU slice has one process per host"
        yield Finding((*path, "workers"), message, "remove it; topology says how many hosts there are")
    if topology is None:
        yield Finding((*path, "topology"), "is missing, and a TPU needs one", "write a topology such as 8x8")
        return
    wrong = _wrong_topology(topology, hardware.accelerator)
    if wrong:
        yield Finding((*path, "topology"), *wrong)
    if mesh is None:
        return
    try:
        fsdp, tensor = fsdp_and_tensor(mesh)
    except ValueError:
        yield Finding((*path, "mesh"), "is not a mesh", "write fsdp x tensor, such as 64x1")
        return
    if not wrong and fsdp * tensor != chips(topology):
        message = f"covers {fsdp * tensor} chips, and topology {topology} has {chips(topology)}"
        yield Finding((*path, "mesh"), message, f"write {chips(topology)}x1, or another product of {chips(topology)}")


def _wrong_topology(topology: str, accelerator: str) -> tuple[str, str] | None:
    """Returns what is wrong with a topology and what to write instead; None for a topology that exists."""
    kind = TPUS[accelerator]
    example = "x".join(["4"] * kind.dimensions)
    try:
        shape = parse_shape(topology)
    except ValueError:
        return "is not a topology", f"write whole numbers joined by x, such as {example}"
    if kind.topologies and topology not in kind.topologies:
        return f"is not a slice of {accelerator}", f"slices: {', '.join(kind.topologies)}"
    if len(shape) != kind.dimensions:
        return f"has {len(shape)} dimensions, and {accelerator} slices have {kind.dimensions}", f"such as {example}"
    return None


def _batch_findings(spec: SweepSpec, path: KeyPath, hardware: HardwareSpec) -> Iterator[Finding]:
    batch, (parts, _) = spec.training.batch_size, hardware.mesh_shape
    if batch % parts == 0:
        return
    parts_name = "chips that split the batch" if hardware.is_tpu else "workers"
    section = dotted(tuple(step for step in path if step not in (EVERY_OTHER_MODEL, 0)))
    message = f"is not a multiple of the {parts} {parts_name} of {section}"
    yield Finding(("training", "batch_size"), message, f"write {multiples_around(batch, parts)}", value=batch)
