"""What the programs of a run take of an accelerator, proved before anything is reserved."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clt_ray.sweep.run import RunSpec

DECODING, TRAINING = "decoding", "training"
TIGHT = 0.9
"""Share of a chip's memory from which a program counts as tight: the runtime needs some, too."""


@dataclass(frozen=True)
class CompiledStep:
    """Cost of a program on one chip, as the compiler reports it."""

    topology: str
    """Topology by libtpu's name for it, such as `v5e:8x8`."""
    chips: int
    """Number of chips of the topology."""
    arguments_gib: float
    """Memory in GiB of the program's arguments: parameters, optimizer state, batch."""
    temporaries_gib: float
    """Memory in GiB that is in use during the step only: activations, gradients, gathered weights."""
    code_gib: float
    """Memory in GiB of the program itself."""
    kernels: int
    """Number of calls of Pallas kernels in the program."""
    flops: float
    """Floating-point operations of one chip per step, without those inside kernels."""
    bytes_accessed: float
    """Bytes that one chip reads and writes per step."""
    collectives: dict[str, float]
    """Bytes of the results of the program's collectives on one chip, by kind such as `all-gather`."""
    compile_seconds: float
    """Wall-clock time of the compiler on this machine."""

    @property
    def total_gib(self) -> float:
        """Memory of one chip that the step takes, in GiB."""
        return self.arguments_gib + self.temporaries_gib + self.code_gib


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
    compiled: CompiledStep | None = None
    """Cost of the program; None where the compiler refused it."""
    bounds: Mapping[str, float] = field(default_factory=dict)
    """Shortest time in seconds that each of `compute`, `memory` and `interconnect` allows (the roofline model), from
    the published rates of the chip."""
    error: str | None = None
    """The compiler's reason for refusing."""

    @property
    def fits(self) -> bool:
        """Whether the compiler accepted the program and its memory is below the chip's."""
        return self.compiled is not None and self.compiled.total_gib < self.chip_gib

    @property
    def verdict(self) -> str:
        """`fits`, `tight` or `does not fit`."""
        if self.compiled is None or not self.fits:
            return "does not fit"
        return "tight" if self.compiled.total_gib > TIGHT * self.chip_gib else "fits"

    @property
    def limit(self) -> str | None:
        """The bound that allows the longest time, such as `memory`; None where the compiler refused."""
        return max(self.bounds, key=lambda name: self.bounds[name], default=None)

    def to_json(self) -> dict[str, Any]:
        cost = {} if self.compiled is None else asdict(self.compiled) | {"total_gib": self.compiled.total_gib}
        own = {name: value for name, value in asdict(self).items() if name != "compiled"}
        return cost | own | {"fits": self.fits, "verdict": self.verdict}


def prove(runs: Iterable[RunSpec], announce: Callable[[FitProof], None]) -> list[FitProof]:
    """Proves that runs on TPUs fit their chips, as `backends.xla.proof.prove` does."""
    from clt_ray.training.backends.xla.proof.prove import prove

    return prove(runs, announce)
