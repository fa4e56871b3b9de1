"""The TCP ports on which a group of processes listens, read from /proc."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

LISTENING = "0A"


def listening(process: int) -> dict[tuple[int, str], str]:
    """Returns where a process and its descendants listen: port and address in hex, with the title of the process."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                address, _, port = fields[1].rpartition(":")
                sockets[f"socket:[{fields[9]}]"] = (int(port, 16), address)
    found: dict[tuple[int, str], str] = {}
    parent = psutil.Process(process)
    family = [parent, *parent.children(recursive=True)]
    for folder in (Path(f"/proc/{member.pid}") for member in family):
        with contextlib.suppress(OSError):
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            targets = [os.readlink(descriptor) for descriptor in (folder / "fd").iterdir()]
            found |= {sockets[target]: title for target in targets if target in sockets}
    return found


def command_lines() -> str:
    """Returns the command lines of all processes of this machine."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)
