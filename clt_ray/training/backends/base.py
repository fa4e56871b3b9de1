"""The seam between a run and the hardware it trains on.

A backend owns everything that differs between kinds of hardware: process set-up, how a model is loaded and
placed, the trainer's step and checkpoints, and decoding. Nothing outside `training/backends/` may ask which
one is in use. A new backend implements `Backend` and is added to the table in `backends/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from clt_ray.sweep.run import RunSpec
from clt_ray.training.schedule import Schedule


class Backend(Protocol):
    """One process's view of the hardware of a run."""

    name: str

    @property
    def rank(self) -> int:
        """Index of this process among those of the run; process 0 writes."""

    @property
    def world_size(self) -> int:
        """Number of processes that train the run together."""

    @property
    def every_process_evaluates(self) -> bool:
        """Whether `load_model` and `generate` need all processes of the run, rather than the first alone."""

    def start(self, run: RunSpec) -> None:
        """Prepare the process before the first tensor: threads, devices, process group, seeds."""

    def load_model(self, location: str, revision: str | None, precision: str) -> Any:
        """A causal language model from a directory or a hub name, safetensors only."""

    def trainer_arguments(self, run: RunSpec, schedule: Schedule, staging: Path) -> dict[str, Any]:
        """Arguments of `trl.SFTConfig` that this hardware decides."""

    def trainer_class(self) -> type[Any]:
        """The `RunTrainer`, or a class derived from it, whose steps and checkpoints fit this hardware."""

    def generate(
        self,
        model: Any,
        tokenizer: Any,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        batch_size: int,
    ) -> list[list[int]]:
        """Greedy continuations of token-id prompts, in the order given, without the end-of-text token."""

    def rounded_rows(self, rows: int) -> int:
        """The next number of rows, at least `rows`, that this hardware splits evenly."""

    def peak_device_bytes(self) -> int | None:
        """Most memory in bytes that this process has allocated on one device; None where that is unknown."""

    def barrier(self) -> None:
        """Wait for all processes of the run."""
