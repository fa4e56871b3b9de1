"""Which chip holds which part of which tensor, decided from names and shapes alone.

A slice's chips form a mesh of two axes. `fsdp` splits the batch and, between uses, the parameters; `tensor` splits
the work inside a layer. A tensor's partition names, for each dimension, the axis that splits it:

    q_proj.weight      (heads x head size, hidden)   ("tensor", "fsdp")    heads over tensor, gathered over fsdp to use
    o_proj.weight      (hidden, heads x head size)   ("fsdp", "tensor")    contracts what q_proj split
    embed_tokens       (vocabulary, hidden)          ("fsdp", "tensor")
    lm_head.weight     (vocabulary, hidden)          (("fsdp", "tensor"), None)    every chip its part of the vocabulary
    norms, biases      (hidden,)                     (None,)               replicated: a few kilobytes
    batch              (rows, tokens)                ("fsdp", None)        so 64 rows fit a 64x4 mesh of 256 chips

A dimension that an axis does not divide stays whole along that axis. Tied embeddings keep the embedding's rule.
Nothing here imports torch, so a plan can be made and checked before any hardware is reserved.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clt_ray.errors import ConfigurationError, Problem

FSDP, TENSOR = "fsdp", "tensor"

Axis = str | tuple[str, ...] | None
"""What splits one dimension: a mesh axis, several, or nothing."""
Partition = tuple[Axis, ...]
"""One entry per dimension of a tensor."""

BATCH: Partition = (FSDP, None)
"""Partition of token ids and labels, each (rows, tokens)."""
HIDDEN: Partition = (FSDP, None, None)
"""Partition of activations between layers, (rows, tokens, hidden)."""
VOCABULARY: Partition = ((FSDP, TENSOR), None)
"""Partition of the language-model head while the loss is computed."""

_COLUMN: Partition = (TENSOR, FSDP)
_ROW: Partition = (FSDP, TENSOR)
_REPLICATED: Partition = ()

RULES: tuple[tuple[str, Partition], ...] = (
    (r"embed_tokens\.weight", _ROW),
    (r"lm_head\.weight", VOCABULARY),
    (r"self_attn\.[qkv]_proj\.weight", _COLUMN),
    (r"mlp\.(gate|up)_proj\.weight", _COLUMN),
    (r"self_attn\.o_proj\.weight", _ROW),
    (r"mlp\.down_proj\.weight", _ROW),
    (r"(?:.*norm\d*\.weight|.*_proj\.bias)", _REPLICATED),
)
"""End of a parameter's name -> its partition, for the Llama and Cohere families. The first match counts."""


@dataclass(frozen=True)
class MeshShape:
    """Sizes of the two axes of a slice's chips."""

    fsdp: int
    """Chips that split the batch and the stored parameters."""
    tensor: int = 1
    """Chips that split each layer."""

    @property
    def chips(self) -> int:
        return self.fsdp * self.tensor

    def size(self, axis: Axis) -> int:
        """Parts that an entry of a partition makes: 1 for None, the product for several axes."""
        if axis is None:
            return 1
        names = (axis,) if isinstance(axis, str) else axis
        return math.prod(getattr(self, name) for name in names)


def partition(name: str, shape: Sequence[int], mesh: MeshShape) -> Partition:
    """How a parameter is split.

    Args:
        name: Parameter name as in the checkpoint, such as `model.layers.0.mlp.up_proj.weight`.
        shape: Its global shape.
        mesh: Of the slice.

    Raises:
        ConfigurationError: No rule knows the name.
    """
    for pattern, wanted in RULES:
        if re.search(rf"(?:^|\.){pattern}$", name):
            filled = (*wanted, *[None] * (len(shape) - len(wanted)))[: len(shape)]
            return tuple(_divisible(axis, size, mesh) for axis, size in zip(filled, shape, strict=True))
    raise ConfigurationError([_unknown(name)])


def sharding_plan(shapes: Mapping[str, Sequence[int]], mesh: MeshShape) -> dict[str, Partition]:
    """Partition of every parameter.

    Raises:
        ConfigurationError: Names every parameter that no rule knows: the architecture is not a supported one.
    """
    plan: dict[str, Partition] = {}
    problems: list[Problem] = []
    for name, shape in shapes.items():
        try:
            plan[name] = partition(name, shape, mesh)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return plan


def shard_shape(shape: Sequence[int], partition: Partition, mesh: MeshShape) -> tuple[int, ...]:
    """Shape of the part that one chip holds."""
    return tuple(size // mesh.size(axis) for size, axis in zip(shape, partition, strict=True))


def _divisible(axis: Axis, size: int, mesh: MeshShape) -> Axis:
    """The axis, or what is left of it when it does not divide the dimension; axes of size 1 split nothing."""
    names = () if axis is None else (axis,) if isinstance(axis, str) else axis
    kept: list[str] = []
    for name in names:
        if mesh.size(name) > 1 and size % mesh.size((*kept, name)) == 0:
            kept.append(name)
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else tuple(kept)


def _unknown(name: str) -> Problem:
    return Problem(
        where="model",
        key=name,
        value=None,
        message="no sharding rule covers this parameter",
        remedy="the Llama and Cohere families are covered; add a rule in clt_ray/training/backends/xla/plan.py",
    )
