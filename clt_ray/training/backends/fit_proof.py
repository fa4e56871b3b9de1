"""Result of proving that planned runs fit the memory of their chips."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class FitProof:
    """Memory of one chip that the runs of one model, shape and kind of slice take, as the compiler reports it."""

    model: str
    """Name of the model in the sweep."""
    accelerator: str
    """Kind of chip by Ray's name for it, such as `TPU-V5LITEPOD`."""
    topology: str
    """Topology of the slice, such as `8x8`."""
    mesh: str
    """Sizes of the mesh axes, fsdp x tensor."""
    batch_size: int
    """Rows of a global batch."""
    max_length: int
    """Tokens of the longest rows, for which the step is compiled."""
    runs: int
    """Number of planned runs that the proof covers."""
    chip_gib: float
    """Memory of one chip in GiB."""
    layers: int
    """Number of layers of the model."""
    compiled_layers: tuple[int, ...]
    """Numbers of layers that were compiled: all of the model, or two depths that were extrapolated linearly."""
    state_gib: float | None = None
    """Memory in GiB of one chip's parameters and optimizer state; None where the compiler refused."""
    step_gib: float | None = None
    """Memory in GiB of one chip's activations, gradients and gathered weights during a step, and of the program."""
    compile_seconds: float | None = None
    """Wall-clock time of the compiler on this machine."""
    error: str | None = None
    """The compiler's reason for refusing."""

    @property
    def total_gib(self) -> float | None:
        """Memory of one chip that the runs take, in GiB."""
        return None if self.state_gib is None or self.step_gib is None else self.state_gib + self.step_gib

    @property
    def fits(self) -> bool:
        """Whether the compiler accepted the step and its memory is below the chip's."""
        return self.total_gib is not None and self.total_gib < self.chip_gib

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total_gib": self.total_gib, "fits": self.fits}
