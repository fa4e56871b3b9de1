"""Checks that a model, a batch, a mesh and a slice fit each other, made before a slice is reserved."""

from clt_ray.errors import Problem
from clt_ray.families import Heads, find_family, unknown_family
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.xla.plan import MeshShape


def mesh_of(run: RunSpec) -> MeshShape:
    """Returns the mesh that a run asks for."""
    return MeshShape(*run.hardware.mesh_shape)


def misfits(run: RunSpec) -> list[Problem]:
    """Returns every problem of the hardware section that the run alone shows."""
    mesh, chips, batch = mesh_of(run), run.hardware.chips, run.training.batch_size
    key, problems = f"{run.model.name}.mesh", []
    if mesh.chips != chips:
        problems.append(
            Problem(
                "hardware", key, run.hardware.mesh,
                f"covers {mesh.chips} chips, and topology {run.hardware.topology} has {chips}",
                f"write {chips}x1, or another product of {chips}",
            )
        )  # fmt: skip
    if batch % mesh.fsdp:
        problems.append(
            Problem(
                "training", "batch_size", batch,
                f"is not a multiple of the {mesh.fsdp} chips that split the batch",
                f"write {-(-batch // mesh.fsdp) * mesh.fsdp}, or give hardware.{key} a smaller first number",
            )
        )  # fmt: skip
    architecture = run.model.architecture
    if architecture is not None and find_family(architecture) is None:
        problems.append(unknown_family(architecture, run.model.name))
    return problems


def head_misfits(heads: Heads, mesh: MeshShape, model: str) -> list[Problem]:
    """Returns the problem of a tensor axis that does not divide the model's attention heads."""
    if heads.query % mesh.tensor == 0 and heads.key_value % mesh.tensor == 0:
        return []
    message = (
        f"the second number splits attention heads, and the model has {heads.query} query and "
        f"{heads.key_value} key-value heads"
    )
    value = f"{mesh.fsdp}x{mesh.tensor}"
    return [Problem("hardware", f"{model}.mesh", value, message, "use a divisor of both")]
