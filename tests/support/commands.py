"""Runs the command line in a separate process, as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from clt_ray.store import LeaseDocument, Store

POLL = threading.Event()


def clt_ray(
    *arguments: str, storage: Path | None = None, timeout_seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """Runs a verb to its end, with a storage where the verb takes one."""
    command = [sys.executable, "-m", "clt_ray", *arguments, *(["--storage", str(storage)] if storage else [])]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds)


class Killable:
    """A running verb in a separate session, so that all of its processes can be killed together."""

    def __init__(self, *arguments: str, storage: Path) -> None:
        command = [sys.executable, "-m", "clt_ray", *arguments, "--storage", str(storage)]
        self.process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait_for_stage(self, stage: str, storage: Path, run_id: str = "*") -> str:
        """Waits until a run has reached a stage (data, train, evaluate) or the state `finished`, and returns its id.

        Args:
            stage: The stage or the state.
            storage: The storage of the verb.
            run_id: The run to wait for; by default any run.
        """
        while self.process.poll() is None:
            store = Store(str(storage))
            for candidate in store.run_ids() if run_id == "*" else [run_id]:
                status = store.run_dir(candidate).status()
                if status is not None and stage in (status.stage, status.state):
                    return candidate
            POLL.wait(0.02)
        raise AssertionError(f"ended before any run was at {stage}:\n{self.output()}")

    def output(self) -> str:
        """Waits until the verb ends, and returns what it printed."""
        return self.process.communicate(timeout=300)[0]

    def kill_driver(self) -> None:
        """Kills the process of the verb only."""
        self.process.kill()
        self.process.wait()

    def kill_everything(self) -> None:
        """Kills every process of the session, as when the machine loses power."""
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


class Holder:
    """A process that holds the lease of a run and does nothing with it."""

    def __init__(self, storage: Path, run_id: str) -> None:
        program = (
            "import sys; from clt_ray.store import Store; directory = Store(sys.argv[1]).run_dir(sys.argv[2]); "
            "lease = directory.acquire_lease(); print('held', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", program, str(storage), run_id]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None and self.process.stdout.readline() == "held\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def kill_lease_holder(storage: Path, run_id: str) -> None:
    """Kills the process that executes a run."""
    path = storage / "runs" / run_id / LeaseDocument.FILE
    _kill(LeaseDocument.decode(path.read_bytes(), str(path)).owner.pid)


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
