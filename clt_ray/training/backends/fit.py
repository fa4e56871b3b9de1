"""What the programs of a run take of an accelerator, proved before anything is reserved."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clt_ray.sweep.run import RunSpec

DECODING, TRAINING = "decoding", "training"
TIGHT = 0.9
"""Share of a chip's memory from which a program counts as tight: the runtime needs some, too."""


@dataclass(frozen=True)
class FitProof:
    """What a program of the runs of one model, shape and kind of slice takes, as the compiler reports it."""

    model: str
    """Name of the model in the sweep."""
    program: str
    """`training`, a step on the longest rows; or `decoding`, one more token of each reply in the evaluation."""
    accelerator: str
    """Kind of chip by Ray's name for it, such as `TPU-V5LITEPOD`."""
    topology: str
    """Topology of the slice, such as `8x8`."""
    mesh: str
    """Sizes of the mesh axes, fsdp x tensor."""
    rows: int
    """Rows of a global batch, or prompts at a time."""
    tokens: int
    """Tokens of the longest rows, or of the longest prompts with their replies."""
    runs: int
    """Number of planned runs that the proof covers."""
    chip_gib: float
    """Memory of one chip in GiB."""
    layers: int
    """Number of layers of the model."""
    compiled_layers: tuple[int, ...]
    """Numbers of layers that were compiled: all of the model, or two depths that were extrapolated linearly."""
    state_gib: float | None = None
    """Memory in GiB of one chip's parameters and optimizer state, or cache; None where the compiler refused."""
    step_gib: float | None = None
    """Memory in GiB of one chip's activations, gradients and gathered weights during a step, and of the program."""
    flops: float | None = None
    """Floating-point operations of one chip, without those inside attention kernels."""
    bytes_accessed: float | None = None
    """Bytes that one chip reads from and writes to its memory."""
    collectives: Mapping[str, float] = field(default_factory=dict)
    """Bytes of the results of collectives on one chip, by kind such as `all-gather`."""
    bounds: Mapping[str, float] = field(default_factory=dict)
    """Shortest time in seconds that each of `compute`, `memory` and `interconnect` allows (the roofline model), from
    the published rates of the chip."""
    compile_seconds: float | None = None
    """Wall-clock time of the compiler on this machine."""
    error: str | None = None
    """The compiler's reason for refusing."""

    @property
    def total_gib(self) -> float | None:
        """Memory of one chip that the program takes, in GiB."""
        return None if self.state_gib is None or self.step_gib is None else self.state_gib + self.step_gib

    @property
    def fits(self) -> bool:
        """Whether the compiler accepted the program and its memory is below the chip's."""
        return self.total_gib is not None and self.total_gib < self.chip_gib

    @property
    def verdict(self) -> str:
        """`fits`, `tight` or `does not fit`."""
        tight = self.total_gib is not None and self.total_gib > TIGHT * self.chip_gib
        return ("tight" if tight else "fits") if self.fits else "does not fit"

    @property
    def limit(self) -> str | None:
        """The bound that allows the longest time, such as `memory`; None where the compiler refused."""
        return max(self.bounds, key=lambda name: self.bounds[name], default=None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total_gib": self.total_gib, "fits": self.fits, "verdict": self.verdict}


def prove(runs: Iterable[RunSpec], announce: Callable[[FitProof], None]) -> list[FitProof]:
    """Proves that runs on TPUs fit their chips, as `backends.xla.proof.prove` does."""
    from clt_ray.training.backends.xla.proof.prove import prove

    return prove(runs, announce)
