"""Runs the command line in a separate process, as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
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

    def __init__(self, *arguments: str, storage: Path, environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "clt_ray", *arguments, "--storage", str(storage)]
        self.process = subprocess.Popen(
            command,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
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

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Waits until a condition holds, and fails where the verb ends before."""
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended before:\n{self.output()}")
            POLL.wait(0.05)

    def output(self) -> str:
        """Waits until the verb ends, and returns what it printed."""
        return self.process.communicate(timeout=600)[0]

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


def lease(storage: Path, run_id: str) -> LeaseDocument:
    """Returns the lease of a run."""
    path = storage / "runs" / run_id / LeaseDocument.FILE
    return LeaseDocument.decode(path.read_bytes(), str(path))


def kill_lease_holder(storage: Path, run_id: str) -> None:
    """Kills the process that executes a run."""
    _kill(lease(storage, run_id).owner.pid)


def descendants(process: int) -> dict[int, str]:
    """Returns the command lines of a process's descendants, by process id."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):
                continue
    found: dict[int, str] = {}
    level = {process}
    while level:
        level = {child for child, parent in parents.items() if parent in level and child not in found}
        found |= {child: commands.get(child, "") for child in level}
    return found


def kill_descendant(process: int, word: str, wait_seconds: float = 60) -> int:
    """Kills the first descendant whose command line has a word, waiting for it to exist."""
    deadline = time.monotonic() + wait_seconds
    while time.monotonic() < deadline:
        for child, command in descendants(process).items():
            if word in command:
                os.kill(child, signal.SIGKILL)
                return child
        POLL.wait(0.1)
    raise AssertionError(f"no process {word}: {descendants(process)}")


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until a condition holds, and fails where it does not within some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        POLL.wait(0.05)


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
