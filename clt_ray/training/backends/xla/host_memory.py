"""Measures the free memory of a host, which decides whether a copy of the weights may be held there."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

CGROUP: Final = Path("/sys/fs/cgroup")
"""Folder of the memory limits of this process's container (cgroup version 2)."""
SHARE: Final = 0.5
"""Share of the free memory that a copy of the weights may take; shards of the state and the writing need the rest."""


def has_room(size: int, available: int | None = None) -> bool:
    """Returns whether a copy of `size` bytes leaves enough of the available ones, measured if None, for the rest."""
    return size <= SHARE * (available_bytes() if available is None else available)


def available_bytes(cgroup: Path = CGROUP) -> int:
    """Returns the memory in bytes that the host, and a container around this process, can still give to it."""
    free = int(psutil.virtual_memory().available)
    # Without a limit the file contains `max`; a process outside a container has no such file.
    with suppress(OSError, ValueError):
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        # The container's file cache counts as used, but is freed on demand.
        counts = dict(line.split(" ", 1) for line in (cgroup / "memory.stat").read_text().splitlines())
        free = min(free, limit - used + int(counts["inactive_file"]))
    return max(free, 0)
