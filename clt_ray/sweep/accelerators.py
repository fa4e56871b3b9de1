"""Accelerators by the names that Ray uses, with the properties of TPU chips that planning needs."""

import math
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

CPU, GPU = "CPU", "GPU"


@dataclass(frozen=True)
class TpuKind:
    """Published properties of one TPU generation."""

    peak_flops: float
    """Peak bf16 FLOP/s of one chip (cloud.google.com/tpu/docs/system-architecture)."""
    dimensions: int
    """Number of dimensions of a slice's topology: 2 or 3."""
    memory: float
    """High-bandwidth memory of one chip, in bytes."""
    compiler_name: str | None = None
    """Name of the generation in libtpu's compiler, such as `v5e`; None where the compiler does not support it, or
    counts each core of a chip as a device."""
    interconnect: float | None = None
    """Bandwidth at which one chip sends over all its links to neighbouring chips, in bytes per second; None where it
    is not recorded here."""
    bandwidth: float | None = None
    """Bandwidth of a chip's memory in bytes per second, from the same page; None where it is not recorded here."""
    topologies: tuple[str, ...] = ()
    """All topologies of the generation; empty where there are too many to list, so that Ray and the cloud decide
    whether a topology exists."""


_EFFICIENCY_SLICES = ("1x1", "2x2", "2x4", "2x8", "4x4", "4x8", "8x8", "8x16", "16x16")

TPUS = MappingProxyType(
    {
        "TPU-V2": TpuKind(45e12, 2, 16e9),
        "TPU-V3": TpuKind(123e12, 2, 32e9),
        "TPU-V4": TpuKind(275e12, 3, 32e9, "v4", 300e9, 1228e9),
        "TPU-V5P": TpuKind(459e12, 3, 95e9, "v5p", 600e9, 2765e9),
        "TPU-V5LITEPOD": TpuKind(197e12, 2, 16e9, "v5e", 200e9, 819e9, _EFFICIENCY_SLICES),
        "TPU-V6E": TpuKind(918e12, 2, 32e9, "v6e", 400e9, 1640e9, _EFFICIENCY_SLICES),
        "TPU-V7X": TpuKind(2307e12, 3, 192e9),
    }
)

ACCELERATORS = (CPU, GPU, *TPUS)


@cache
def parse_shape(text: str) -> tuple[int, ...]:
    """Returns the sizes of a topology or a mesh: "8x8" -> (8, 8); raises `ValueError` for other text."""
    if not all(part.isascii() and part.isdigit() and int(part) for part in text.split("x")):
        raise ValueError(text)
    return tuple(int(part) for part in text.split("x"))


def chips(text: str) -> int:
    """Returns the number of chips of a topology: "8x8" -> 64."""
    return math.prod(parse_shape(text))


def fsdp_and_tensor(mesh: str) -> tuple[int, int]:
    """Returns a mesh's fsdp and tensor axes: "16x4" -> (16, 4), "64" -> (64, 1); raises `ValueError`."""
    sizes = parse_shape(mesh)
    if len(sizes) > 2:
        raise ValueError(mesh)
    return sizes[0], sizes[1] if len(sizes) == 2 else 1
