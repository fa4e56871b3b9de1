"""Helpers of the store's tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clt_ray.store import ResultDocument

FROZEN = Path(__file__).parents[1] / "store" / "documents-0.1"
"""Documents of one run as release 0.1 wrote them."""

RUN_ID = "0123456789abcdef"


@dataclass
class ManualClock:
    """A clock that stands still until a test advances it."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def make_staging(folder: Path, content: bytes = b"weights") -> Path:
    """Makes a folder with files as training stages them for a checkpoint."""
    (folder / "shards").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "shards" / "model.safetensors").write_bytes(content)
    return folder


def frozen_result() -> ResultDocument:
    """The result of the run whose documents are kept in `FROZEN`."""
    path = FROZEN / ResultDocument.FILE
    return ResultDocument.decode(path.read_bytes(), str(path))
