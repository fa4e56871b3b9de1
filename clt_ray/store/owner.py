"""Who holds a lease, precisely enough to know that they are gone.

A process id alone is used again after a while; with the moment the process started, the machine's boot and its
process namespace it names one process for ever. So a machine can tell at once that a holder which ran on it is
dead, and must wait for the heartbeat to go stale only when the holder ran elsewhere.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_START_TIME_FIELD = 19
"""Index of `starttime` in /proc/<pid>/stat after the command name, which may itself hold spaces (proc(5))."""
_DEAD_STATES = {"Z", "X"}


@dataclass(frozen=True)
class Owner:
    """One process of one machine."""

    host: str
    """Name of the machine."""
    boot: str
    """Changes each time the machine starts; empty when unknown."""
    namespace: str
    """The set of process ids that `pid` belongs to, since containers of one machine count their own."""
    pid: int
    """Process id."""
    started: str
    """When the process started, in the operating system's own words."""

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or "")

    def is_gone(self) -> bool:
        """Whether the process certainly no longer exists; False also when that cannot be known from here."""
        here = (socket.gethostname(), _boot(), _namespace())
        if not self.boot or (self.host, self.boot, self.namespace) != here:
            return False
        return _started(self.pid) != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _output("sysctl", "-n", "kern.bootsessionuuid")


def _namespace() -> str:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process started, None when there is none."""
    if not (_PROC / "self/stat").exists():
        return _output("ps", "-o", "lstart=", "-p", str(pid)) or None
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # A dead process stays listed until its parent has asked how it ended.
    return None if fields[0] in _DEAD_STATES else fields[_START_TIME_FIELD]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
