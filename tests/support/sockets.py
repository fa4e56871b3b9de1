"""The TCP ports on which a group of processes listens, read from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LISTENING = "0A"


def processes_with(variable: str, value: str) -> Iterator[Path]:
    """Yields the folders in /proc of the processes that were started with this environment variable."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{variable}={value}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield folder


def listening(variable: str, value: str) -> dict[int, str]:
    """Returns the ports on which processes with this environment variable listen, each with its address in hex."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                address, _, port = fields[1].rpartition(":")
                sockets[f"socket:[{fields[9]}]"] = (int(port, 16), address)
    found: dict[int, str] = {}
    for folder in processes_with(variable, value):
        with contextlib.suppress(OSError):
            targets = [os.readlink(descriptor) for descriptor in (folder / "fd").iterdir()]
            found |= dict(sockets[target] for target in targets if target in sockets)
    return found


def command_lines() -> str:
    """Returns the command lines of all processes of this machine."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)
