"""The interface between a run and the hardware that it trains on.

A backend contains everything that differs between kinds of hardware: setting up the process, loading and placing a
model, the trainer's steps and checkpoints, and generation. Nothing outside `training/backends/` may ask which backend
is in use. A new backend implements `Backend` and is selected in `backends/__init__.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from clt_ray.sweep.run import RunSpec
from clt_ray.training.schedule import Schedule


class Backend(Protocol):
    """The hardware of a run as one of its processes sees it."""

    name: str
    """Name of the backend in records."""

    @property
    def rank(self) -> int:
        """Index of this process among those of the run. Process 0 writes to the run directory."""

    @property
    def world_size(self) -> int:
        """Number of processes that train the run together."""

    @property
    def every_process_evaluates(self) -> bool:
        """Whether all processes of the run must call `load_model` and `generate`, rather than the first alone."""

    def start(self, run: RunSpec) -> None:
        """Prepares the process before it makes the first tensor: threads, devices, process group, seeds."""

    def load_model(self, location: str, revision: str | None, precision: str) -> Any:
        """Returns a causal language model, read from safetensors.

        Args:
            location: Directory or hub name.
            precision: Number format of the computation, `fp32` or `bf16`.
        """

    def trainer_arguments(self, run: RunSpec, schedule: Schedule, staging: Path) -> dict[str, Any]:
        """Returns the arguments of `trl.SFTConfig` that depend on the hardware."""

    def trainer_class(self) -> type[Any]:
        """Returns `RunTrainer`, or a class derived from it, whose steps and checkpoints fit this hardware."""

    def generate(
        self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int
    ) -> list[list[int]]:
        """Generates greedily.

        Returns:
            Token ids of each continuation, in the order of the prompts, without the token that ended it.
        """

    def rounded_rows(self, rows: int) -> int:
        """Returns the smallest number of rows, at least `rows`, that this hardware splits evenly."""

    def peak_device_bytes(self) -> int | None:
        """Returns the most memory in bytes that this process has allocated on one device, None where unknown."""

    def barrier(self) -> None:
        """Waits until all processes of the run have called this."""
