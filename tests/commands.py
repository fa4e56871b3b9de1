"""Run the command line as a user does: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def clt_ray(*arguments: str, storage: Path, timeout_seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    command = [sys.executable, "-m", "clt_ray", *arguments, "--storage", str(storage)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds)


class Killable:
    """A verb in a session of its own, all of whose processes can be killed at once."""

    def __init__(self, *arguments: str, storage: Path) -> None:
        command = [sys.executable, "-m", "clt_ray", *arguments, "--storage", str(storage)]
        self.process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait_for(self, word: str, times: int = 1) -> None:
        """Read output until a line that starts with `word` has come `times` times."""
        assert self.process.stdout is not None
        seen: list[str] = []
        for line in self.process.stdout:
            seen.append(line)
            if line.startswith(word):
                times -= 1
            if times == 0:
                return
        raise AssertionError("ended without it:\n" + "".join(seen))

    def kill_driver(self) -> None:
        self.process.kill()
        self.process.wait()

    def kill_everything(self) -> None:
        """SIGKILL to every process of the session, as a machine that loses power would."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if session == self.process.pid:
                _kill(int(entry.name))
        self.process.wait()


def kill_lease_holder(storage: Path) -> str | None:
    """SIGKILL the process that trains some run; the run's id, or None when no run has a lease."""
    import json

    for lease in storage.glob("runs/*/lease.json"):
        try:
            _kill(json.loads(lease.read_text())["owner"]["pid"])
        except (FileNotFoundError, ValueError):
            continue
        return lease.parent.name
    return None


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
