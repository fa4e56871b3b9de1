"""The process that holds a lease, identified precisely enough to know whether it still exists.

Operating systems reuse process ids. Together with the start time of the process, the boot of its machine and its
process namespace, an id identifies one process for ever. A machine therefore knows at once that a holder which ran on
it is dead, and has to wait for the heartbeat to become stale only when the holder ran on another machine.
"""

import os
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_START_TIME_FIELD = 19
"""Index of `starttime` in /proc/<pid>/stat after the command name, which may itself hold spaces (proc(5))."""
_DEAD_STATES = {"Z", "X"}


@dataclass(frozen=True)
class Owner:
    """One process of one machine."""

    host: str
    boot: str
    """Identifier of the machine's current boot; empty when unknown."""
    namespace: str
    """Process namespace that `pid` belongs to, since each container of a machine has its own process ids."""
    pid: int
    started: str
    """Start time of the process, as the operating system reports it."""

    @classmethod
    def current(cls) -> Self:
        """Returns the identity of this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or "")

    def is_gone(self) -> bool:
        """Returns whether the process certainly no longer exists; False also when this machine cannot know it."""
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
    if not (_PROC / "self/stat").exists():
        return _output("ps", "-o", "lstart=", "-p", str(pid)) or None
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # A dead process stays listed until its parent has read its exit status.
    return None if fields[0] in _DEAD_STATES else fields[_START_TIME_FIELD]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
