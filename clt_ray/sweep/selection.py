"""The result of the choice of a checkpoint, which training decides and the run directory stores."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A checkpoint at which a validation recorded the selection metric."""

    step: int
    """Optimizer steps taken before the checkpoint."""
    value: float


@dataclass(frozen=True)
class Selection:
    """The chosen checkpoint of a run and the candidates that it was chosen from."""

    metric: str
    """Name of the validation metric that decides."""
    mode: str
    """`min` when the smallest value is the best, `max` when the largest is."""
    chosen: Candidate
    """The candidate with the best value."""
    runners_up: tuple[Candidate, ...]
    """All other candidates, best first."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the selection as plain JSON values."""
        return asdict(self)
