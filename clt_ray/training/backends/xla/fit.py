"""Whether a model, a batch, a mesh and a slice fit each other, asked before a slice is reserved."""

from __future__ import annotations

from dataclasses import dataclass

from clt_ray.errors import Problem
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.xla.plan import MeshShape

FAMILIES = ("llama", "cohere")
"""Architectures with sharding rules, as their checkpoints name them (`model_type`)."""


@dataclass(frozen=True)
class Heads:
    """What of a model's configuration limits the tensor axis."""

    query: int
    """Attention heads of the queries."""
    key_value: int
    """Attention heads of keys and values."""


def mesh_of(run: RunSpec) -> MeshShape:
    """The mesh that a run asks for."""
    return MeshShape(*run.hardware.mesh_shape)


def misfits(run: RunSpec) -> list[Problem]:
    """Everything about the hardware section that cannot work, from the run alone."""
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
    if run.model.architecture not in (None, *FAMILIES):
        problems.append(
            Problem(
                "models", f"{run.model.name}.architecture", run.model.architecture,
                "no sharding rules for it", f"supported: {', '.join(FAMILIES)}",
            )
        )  # fmt: skip
    return problems


def head_misfits(heads: Heads, mesh: MeshShape, model: str) -> list[Problem]:
    """What of the tensor axis the model's heads do not allow."""
    if heads.query % mesh.tensor == 0 and heads.key_value % mesh.tensor == 0:
        return []
    message = (
        f"the second number splits attention heads, and the model has {heads.query} query and "
        f"{heads.key_value} key-value heads"
    )
    value = f"{mesh.fsdp}x{mesh.tensor}"
    return [Problem("hardware", f"{model}.mesh", value, message, "use a divisor of both")]
