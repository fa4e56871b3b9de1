"""The interfaces through which training writes.

Training knows neither Ray nor MLflow nor object stores. It writes through a `Journal`, which the run directory of
`clt_ray.store` implements; tests use the same class on a temporary folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

Log = Literal["train", "validation", "interference"]


class Point(Protocol):
    """Metrics recorded at one optimizer step."""

    @property
    def step(self) -> int:
        """Optimizer steps taken before the measurement."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Value of each metric by its name."""


class Journal(Protocol):
    """Durable record of one run: metric logs, and directory trees that count only when they are complete."""

    def append_metrics(self, log: Log, step: int, metrics: Mapping[str, float]) -> None:
        """Appends metrics of an optimizer step to a log."""

    def metrics(self, log: Log) -> Sequence[Point]:
        """Returns all points of a log in the order of recording."""

    def truncate_metrics(self, after_step: int) -> None:
        """Deletes the points of later steps from all logs."""

    def commit_tree(self, staging: Path, name: str) -> None:
        """Moves a local folder into the record as a complete tree."""

    def begin_tree(self, name: str) -> str:
        """Deletes a tree and returns the place of a new one of this name, for `put_part` and `seal_tree`."""

    def put_part(self, staging: Path, place: str) -> Mapping[str, Any]:
        """Moves one process's files of a tree to its place; returns the record of each file by its path."""

    def seal_tree(self, place: str, records: Mapping[str, Any]) -> None:
        """Declares the tree at a place complete, whose parts have all been put."""

    def complete_trees(self, prefix: str) -> list[str]:
        """Returns the names of the complete trees that begin with `prefix`."""

    def open_tree(self, name: str, ranges: Mapping[str, Iterable[tuple[int, int]] | None] | None = None) -> Path:
        """Returns a local folder with the verified files of a tree. Raises an `OSError` when the tree is damaged.

        With `ranges`, only these byte ranges (start, stop) of these files are there; None stands for a whole file.
        """

    def delete_tree(self, name: str) -> None:
        """Deletes a tree."""


class Supervisor(Protocol):
    """Learns that training goes on, and knows whether it shall end."""

    @property
    def stop_reason(self) -> str | None:
        """Why this process was asked to stop; None as long as nobody has asked."""

    def beat(self) -> None:
        """Notes that this process has made progress."""


class Progress(Protocol):
    """Called with the position of training whenever training logs; has to return quickly."""

    def __call__(self, *, stage: str, step: int, total_steps: int, loss: float | None) -> Any:
        """Receives the stage, the steps taken and planned, and the loss in nats per token."""
