"""The interface between a run and the hardware that it trains on.

A backend contains everything that differs between kinds of hardware: setting up the process, loading and placing a
model, the trainer's steps and checkpoints, and generation. Nothing outside `training/backends/` may ask which backend
is in use. A new backend is derived from `Backend` and is selected in `backends/__init__.py`.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from clt_ray.sweep.run import RunSpec
from clt_ray.training.schedule import Schedule


class Backend(Protocol):
    """The hardware of a run as one of its processes sees it."""

    name: str
    """Name of the backend in records."""

    after_batch: Callable[[], None] = staticmethod(lambda: None)
    """Called after every batch of prompts that `generate` has continued; does nothing unless set."""
    resume_files: Sequence[str] | None = None
    """Files of a resume state that are read before training; None for all of them, and the weights of the step."""
    device: Any = "cpu"
    """Device of the tensors that this process exchanges with the others."""
    every_process_evaluates: bool
    """Whether all processes of the run must call `load_model` and `generate`, rather than the first alone."""

    rank_variable: str = "RANK"
    world_size_variable: str = "WORLD_SIZE"
    """Environment variables of the process that hold `rank` and `world_size`."""

    @property
    def rank(self) -> int:
        """Index of this process among those of the run. Process 0 writes to the run directory."""
        return int(os.environ.get(self.rank_variable, "0"))

    @property
    def world_size(self) -> int:
        """Number of processes that train the run together."""
        return int(os.environ.get(self.world_size_variable, "1"))

    def start(self, run: RunSpec) -> None:
        """Prepares the process before it makes the first tensor: threads, devices, process group, seeds."""

    def load_model(self, location: str, revision: str | None, precision: str, empty: bool = False) -> Any:
        """Returns a causal language model, read from safetensors.

        Args:
            location: Directory or hub name.
            precision: Number format of the computation, `fp32` or `bf16`.
            empty: Whether all parameters may be zeros, because the trainer restores them from a resume state.
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
        return None

    def barrier(self) -> None:
        """Waits until all processes of the run have called this."""
        self.gather(None)

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all processes of the run by rank; all of them call this together."""
        values: list[Any] = [value] * self.world_size
        if self.world_size > 1:
            import torch.distributed as dist

            dist.all_gather_object(values, value)
        return values

    def any_process(self, flag: bool) -> bool:
        """Returns whether the flag of any process of the run is set; all of them call this together."""
        if self.world_size == 1:
            return flag
        import torch
        import torch.distributed as dist

        flags = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)
