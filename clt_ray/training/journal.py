"""What training needs from the place that remembers it.

Training knows neither Ray nor MLflow nor object stores. It writes through a `Journal`; the run directory of
`clt_ray.store` is one, and tests use the same class on a temporary folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

Log = Literal["train", "validation", "interference"]


class Point(Protocol):
    """Metrics recorded at one optimizer step."""

    @property
    def step(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...


class Journal(Protocol):
    """Durable record of one run: metric logs, and directory trees that count only when complete."""

    def append_metrics(self, log: Log, step: int, metrics: Mapping[str, float]) -> None: ...
    def metrics(self, log: Log) -> Sequence[Point]: ...
    def truncate_metrics(self, after_step: int) -> None: ...
    def commit_tree(self, staging: Path, name: str) -> None: ...
    def put_part(self, staging: Path, name: str) -> Mapping[str, Any]: ...
    def seal_tree(self, name: str, records: Mapping[str, Any]) -> None: ...
    def complete_trees(self, prefix: str) -> list[str]: ...
    def open_tree(self, name: str) -> Path: ...
    def delete_tree(self, name: str) -> None: ...


class Progress(Protocol):
    """Called now and then with where training is; must be cheap and must not raise."""

    def __call__(self, *, stage: str, step: int, total_steps: int, loss: float | None) -> Any: ...
