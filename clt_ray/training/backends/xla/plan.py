"""Which chip holds which part of which tensor, decided from names and shapes alone, and what does not fit a mesh.

The chips of a slice form a mesh of two axes: `fsdp` splits the batch and, between uses, the parameters; `tensor`
splits the work inside a layer. A batch of 64 rows therefore fits a 64x4 mesh of 256 chips. The partitions of parameters
belong to the model family (`clt_ray.families`, with examples). A dimension that an axis does not divide
stays whole along that axis. Tied embeddings keep the rule of the embedding. Nothing here imports torch, so a plan can
be made and checked before any hardware is reserved.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.families import FSDP, Axis, Family, Heads, Partition, find_family, unknown_family
from clt_ray.sweep.run import RunSpec

BATCH: Partition = (FSDP, None)
"""Partition of token ids and labels, each (rows, tokens)."""
HIDDEN: Partition = (FSDP, None, None)
"""Partition of activations between layers, (rows, tokens, hidden)."""


@dataclass(frozen=True)
class MeshShape:
    """Sizes of the two axes of a slice's chips."""

    fsdp: int
    """Number of chips that split the batch and the stored parameters."""
    tensor: int = 1
    """Number of chips that split each layer."""

    @property
    def chips(self) -> int:
        return self.fsdp * self.tensor

    def size(self, axis: Axis) -> int:
        """Number of parts that an entry of a partition makes: 1 for None, the product for several axes."""
        if axis is None:
            return 1
        names = (axis,) if isinstance(axis, str) else axis
        return math.prod(getattr(self, name) for name in names)


def partition(family: Family, name: str, shape: Sequence[int], mesh: MeshShape) -> Partition:
    """Returns how the parameter of a name, such as `model.layers.0.mlp.up_proj.weight`, is split.

    Raises:
        ConfigurationError: No rule of the family covers the name.
    """
    for pattern, axes in family.sharding_rules:
        if re.search(rf"(?:^|\.){pattern}$", name):
            complete = (*axes, *[None] * (len(shape) - len(axes)))[: len(shape)]
            return tuple(_divisible(axis, size, mesh) for axis, size in zip(complete, shape, strict=True))
    remedy = "declare a family with a rule for it in a package of your own; docs/extend.md shows how"
    message = "no sharding rule of the family covers this parameter"
    raise ConfigurationError([Problem(f"model family {family.name}", name, None, message, remedy)])


def sharding_plan(family: Family, shapes: Mapping[str, Sequence[int]], mesh: MeshShape) -> dict[str, Partition]:
    """Returns the partition of every parameter.

    Raises:
        ConfigurationError: Names every parameter that no rule of the family covers.
    """
    plan: dict[str, Partition] = {}
    problems: list[Problem] = []
    for name, shape in shapes.items():
        try:
            plan[name] = partition(family, name, shape, mesh)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return plan


def _divisible(axis: Axis, size: int, mesh: MeshShape) -> Axis:
    """Returns the axis without the parts that do not divide the dimension; axes of size 1 split nothing."""
    names = () if axis is None else (axis,) if isinstance(axis, str) else axis
    kept: list[str] = []
    for name in names:
        if mesh.size(name) > 1 and size % mesh.size((*kept, name)) == 0:
            kept.append(name)
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else tuple(kept)


def mesh_of(run: RunSpec) -> MeshShape:
    """Returns the mesh that a run asks for."""
    return MeshShape(*run.hardware.mesh_shape)


def misfits(run: RunSpec) -> list[Problem]:
    """Returns every problem of the hardware section that the run alone shows."""
    mesh, chips, batch = mesh_of(run), run.hardware.chips, run.training.batch_size
    key, problems = f"{run.model.name}.mesh", []
    if mesh.chips != chips:
        message = f"covers {mesh.chips} chips, and topology {run.hardware.topology} has {chips}"
        remedy = f"write {chips}x1, or another product of {chips}"
        problems.append(Problem("hardware", key, run.hardware.mesh, message, remedy))
    if batch % mesh.fsdp:
        message = f"is not a multiple of the {mesh.fsdp} chips that split the batch"
        remedy = f"write {-(-batch // mesh.fsdp) * mesh.fsdp}, or give hardware.{key} a smaller first number"
        problems.append(Problem("training", "batch_size", batch, message, remedy))
    architecture = run.model.architecture
    if architecture is not None and find_family(architecture) is None:
        problems.append(unknown_family(architecture, run.model.name))
    return problems


def head_misfits(heads: Heads, mesh: MeshShape, model: str) -> list[Problem]:
    """Returns the problem of a tensor axis that does not divide the model's attention heads."""
    if heads.query % mesh.tensor == 0 and heads.key_value % mesh.tensor == 0:
        return []
    numbers = f"{heads.query} query and {heads.key_value} key-value heads"
    message = f"the second number splits attention heads, and the model has {numbers}"
    return [Problem("hardware", f"{model}.mesh", f"{mesh.fsdp}x{mesh.tensor}", message, "use a divisor of both")]
