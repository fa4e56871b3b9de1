"""How much memory a host has left, which decides whether a copy of the model may wait there to be written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

CGROUP: Final = Path("/sys/fs/cgroup")
"""Limits of this process's container, where there is one (version 2 of the interface)."""
SHARE: Final = 0.5
"""Of the memory that is left, for a copy of the weights: the state's shards and the writing itself need some too."""


def has_room(size: int, available: int | None = None) -> bool:
    """Whether a copy of some bytes leaves enough for the rest.

    Args:
        size: Of the copy, in bytes.
        available: Bytes that are left; by default as measured now.
    """
    return size <= SHARE * (available_bytes() if available is None else available)


def available_bytes(cgroup: Path = CGROUP) -> int:
    """Bytes that the host, and the container it may be, can still give to this process."""
    left = int(psutil.virtual_memory().available)
    # Without a limit the file says `max`; without a container of its own a process has no such file.
    with suppress(OSError, ValueError):
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        left = min(left, limit - used + _reclaimable(cgroup))
    return max(left, 0)


def _reclaimable(cgroup: Path) -> int:
    """Bytes of the container's file cache, which count as used and are given back when asked for."""
    lines = (cgroup / "memory.stat").read_text().splitlines()
    return int(dict(line.split(" ", 1) for line in lines)["inactive_file"])
