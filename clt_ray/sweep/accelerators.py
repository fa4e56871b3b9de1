"""Kinds of hardware by the names Ray uses, with what planning needs to know of each chip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

CPU, GPU = "CPU", "GPU"


@dataclass(frozen=True)
class TpuKind:
    """One TPU generation."""

    peak_flops: float
    """Peak bf16 FLOP/s of one chip, as its vendor publishes it (cloud.google.com/tpu/docs/system-architecture)."""
    dimensions: int
    """Dimensions of the torus that its slices are cut from."""
    memory: float
    """High-bandwidth memory of one chip in bytes, as its vendor publishes it."""
    compiler_name: str | None = None
    """What libtpu's compiler calls it, such as `v5e`; None where it knows no chips of it, or counts half ones."""
    interconnect: float | None = None
    """Published bandwidth of a chip's links to its neighbours, in bytes/s, sending; None where it is not known here."""
    topologies: tuple[str, ...] = ()
    """The slices that exist, where they are few enough to list; empty when any shape of the right dimension is
    left to Ray and the cloud to accept."""


_EFFICIENCY_SLICES = ("1x1", "2x2", "2x4", "2x8", "4x4", "4x8", "8x8", "8x16", "16x16")

TPUS = MappingProxyType(
    {
        "TPU-V2": TpuKind(45e12, 2, 16e9),
        "TPU-V3": TpuKind(123e12, 2, 32e9),
        "TPU-V4": TpuKind(275e12, 3, 32e9, "v4", 300e9),
        "TPU-V5P": TpuKind(459e12, 3, 95e9, "v5p", 600e9),
        "TPU-V5LITEPOD": TpuKind(197e12, 2, 16e9, "v5e", 200e9, _EFFICIENCY_SLICES),
        "TPU-V6E": TpuKind(918e12, 2, 32e9, "v6e", 400e9, _EFFICIENCY_SLICES),
        "TPU-V7X": TpuKind(2307e12, 3, 192e9),
    }
)

ACCELERATORS = (CPU, GPU, *TPUS)


@cache
def parse_shape(text: str) -> tuple[int, ...]:
    """Sizes of a topology or a mesh: "8x8" -> (8, 8).

    Raises:
        ValueError: Not positive whole numbers joined by `x`.
    """
    if not all(part.isascii() and part.isdigit() for part in text.split("x")):
        raise ValueError(text)
    sizes = tuple(int(part) for part in text.split("x"))
    if not all(sizes):
        raise ValueError(text)
    return sizes


def chips(text: str) -> int:
    """Product of a shape's sizes: "8x8" -> 64."""
    return math.prod(parse_shape(text))


def fsdp_and_tensor(mesh: str) -> tuple[int, int]:
    """Sizes of a mesh's data-sharding and tensor axes: "16x4" -> (16, 4), "64" -> (64, 1).

    Raises:
        ValueError: Not one or two positive whole numbers joined by `x`.
    """
    sizes = parse_shape(mesh)
    if len(sizes) > 2:
        raise ValueError(mesh)
    return sizes[0], sizes[1] if len(sizes) == 2 else 1
