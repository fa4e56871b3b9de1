"""Executes runs in a driver process, and survives it.

Everything that Ray can break happens in another process: `clt_ray.orchestration.sweep`. This one has the queue, writes
MLflow, and shows the progress. The driver process may be killed, may lose its cluster, or may hang: this process then
ends it, records what happened to the runs that were under way, and starts another one, a limited number of times.

An interrupt (Ctrl-C, or SIGTERM of `ray job stop`) asks the runs under way to write a checkpoint, waits for a limited
time, and ends the driver process whatever it does.
"""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import uuid4

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.orchestration.monitor import Observer
from clt_ray.orchestration.options import RayOptions
from clt_ray.orchestration.places import description
from clt_ray.orchestration.queue import Limits, RunQueue
from clt_ray.pipeline import package_versions
from clt_ray.store import ErrorRecord, LeaseHeld, StatusDocument, Store
from clt_ray.store.probe import delete_probe, write_probe
from clt_ray.store.store import SCRATCH
from clt_ray.sweep.run import RunSpec

log = logging.getLogger(__name__)

DRIVER_FAILURES = 3
"""Number of times that another driver process is started after one has died."""
RESTART_SECONDS = 5.0
"""Pause before another driver process is started; it doubles each time."""
POLL_SECONDS = 1.0
MODULE = "clt_ray.orchestration.sweep"


@dataclass
class Execution:
    """What became of the runs that were to be executed."""

    held: set[str] = field(default_factory=set)
    """Runs that another process was executing."""
    not_started: dict[str, str] = field(default_factory=dict)
    """Runs that were not executed, by run id, each with the reason."""


def run_missing(
    runs: Sequence[RunSpec], storage: str, queue: RunQueue, observer: Observer, options: RayOptions
) -> Execution:
    """Executes the runs of a queue. The result of each run, also its failure, is in its run directory.

    Raises:
        ConfigurationError: No cluster answers at the address, or it has no place for some run and cannot get it.
        KeyboardInterrupt: SIGINT or SIGTERM; the runs under way have been asked to write a checkpoint.
    """
    supervisor = _Supervisor(runs, storage, queue, observer, options)
    with _sigterm_as_interrupt():
        try:
            return supervisor.execute()
        finally:
            with suppress(Exception):
                Store(storage).delete_scratch(supervisor.scratch)
                delete_probe(storage, supervisor.probe)


class _Supervisor:
    def __init__(
        self, runs: Sequence[RunSpec], storage: str, queue: RunQueue, observer: Observer, options: RayOptions
    ) -> None:
        self._runs, self._storage, self._queue, self._observer, self._options = runs, storage, queue, observer, options
        self._store = Store(storage)
        self._claim = uuid4().hex
        self._was_connected = False
        self._refusal: str | None = None
        """Why the cluster did not take the driver process again after it was lost."""
        self._by_id = {run.run_id: run for run in runs}
        self._attempts: dict[str, int] = {}
        """Latest attempt, when its driver started, of each run that reserves a slice."""
        self._looked = 0.0
        self._confirmed: dict[str, float] = {}
        """When the wait of each pending run was last written to its directory."""
        self.probe = write_probe(storage)
        """Token of a file by which workers find out whether they see the same storage."""
        self.scratch = f"{SCRATCH}/{self._claim}"
        self.execution = Execution()

    def execute(self) -> Execution:
        pause = RESTART_SECONDS
        for attempt in range(DRIVER_FAILURES + 1):
            self._refusal = None
            driver = DriverProcess(self._options.verbose)
            try:
                driver.send(self._job())
                ended = self._serve(driver)
            except KeyboardInterrupt:
                self._stop(driver)
                raise
            finally:
                driver.kill()
            if ended is None:
                break
            lost = self._queue.put_back()
            self._attempts.clear()
            log.warning("the process that drives Ray ended (%s); %d runs were under way", ended, len(lost))
            for run in lost:
                self._observer.ended(run.run_id)
            if attempt == DRIVER_FAILURES:
                message = f"the process that drives Ray ended {attempt + 1} times, the last time: {ended}"
                for run in lost:
                    self._record(run, "ClusterLost", message)
                others = set(self._queue.waiting) - {run.run_id for run in lost}
                self.execution.not_started |= dict.fromkeys(others, message)
            else:
                time.sleep(pause)
                pause *= 2
        self.execution.not_started |= self._queue.unaffordable
        return self.execution

    def _job(self) -> dict[str, Any]:
        options = asdict(self._options)
        runs = [run.to_dict() for run in self._runs]
        common = {"storage": self._storage, "scratch": self.scratch, "claim": self._claim, "probe": self.probe}
        return {"runs": runs, "options": options, "versions": package_versions(), **common}

    def _serve(self, driver: "DriverProcess") -> str | None:
        """Answers the driver process until the last run has ended. Returns None, or why the process ended before."""
        while (event := driver.receive(POLL_SECONDS)) != CLOSED:
            if event is not None and self._handle(event, driver):
                return self._refusal
            self._note_waits()
            self._note_slices()
            overdue = self._overdue()
            if overdue:
                self.execution.not_started |= overdue
                return None
        return driver.last_words()

    def _handle(self, event: Mapping[str, Any], driver: "DriverProcess") -> bool:
        """Reacts to a message of the driver process. Returns whether it was the last one."""
        match event["event"]:
            case "next":
                limits = {name: Limits(*values) for name, values in event["limits"].items()}
                driver.send(self._next(limits))
            case "started":
                self._started(event["run_id"])
            case "withdrawn":
                self._queue.withdraw(event["run_id"])
                self._end_wait(event["run_id"])
            case "ended":
                self._ended(event["run_id"], event["outcome"], event.get("error"))
            case "connected":
                self._was_connected = True
            case "refused":
                refusal = ConfigurationError([Problem(**problem) for problem in event["problems"]])
                if not self._was_connected:
                    raise refusal
                # A cluster that was lost may come back.
                self._refusal = str(refusal)
                return True
            case "done":
                return True
        return False

    def _next(self, limits: Mapping[str, Limits]) -> dict[str, Any]:
        run = self._queue.next(limits)
        movable = None if run or self._queue.stopping else self._queue.movable(limits)
        return {
            "run_id": run.run_id if run else None,
            "hardware": self._by_id[run.run_id].placements.index(run) if run else 0,
            "withdraw": [movable.run.run_id] if movable else [],
            # A run that is withdrawn asks again.
            "done": self._queue.done
            and (self._queue.stopping or not any(live.run.other_hardware for live in self._queue.live.values())),
        }

    def _started(self, run_id: str) -> None:
        live = self._queue.live.get(run_id)
        if live is not None and live.run.hardware.is_tpu:
            # Ray Train reserves the slice now; the first record of a worker tells that it has come.
            self._queue.reserves(run_id)
            self._attempts[run_id] = self._attempt(run_id)
        else:
            self._queue.started(run_id)
        self._end_wait(run_id)
        self._observer.started(run_id)

    def _note_slices(self) -> None:
        """Notes which runs have their slice, so that its chip-hours count from then."""
        if not self._attempts or time.monotonic() < self._looked + POLL_SECONDS:
            return
        self._looked = time.monotonic()
        for run_id, before in list(self._attempts.items()):
            if self._attempt(run_id, before) != before:
                self._attempts.pop(run_id)
                self._queue.started(run_id)

    def _attempt(self, run_id: str, unknown: int = 0) -> int:
        """The number of a run's latest attempt; `unknown` while the storage does not answer."""
        with suppress(Exception):
            status = self._store.run_dir(run_id).status()
            return status.attempt if status else 0
        return unknown

    def _ended(self, run_id: str, outcome: str, error: str | None) -> None:
        live = self._queue.live.get(run_id)
        self._attempts.pop(run_id, None)
        self._end_wait(run_id)
        if outcome == "waited" and live is not None and live.run.other_hardware and not self._queue.stopping:
            self._queue.withdraw(run_id)
            self._observer.ended(run_id)
            return
        self._queue.ended(run_id, outcome)
        if outcome == "held":
            self.execution.held.add(run_id)
        elif outcome == "waited":
            self.execution.not_started[run_id] = error or "its place did not come"
        elif outcome == "error" and live is not None:
            self._record(live.run, "RunError", error or "no message")
        self._observer.ended(run_id)

    def _record(self, run: RunSpec, kind: str, message: str) -> None:
        """Records a failure that the run's own processes could not record, because they were killed or never began."""
        directory = self._store.run_dir(run.run_id)
        with suppress(LeaseHeld), directory.acquire_lease(claim=self._claim):
            status = directory.status()
            if directory.is_finished() or (status is not None and status.state == "failed"):
                return
            directory.write_run(run)
            begun = status or StatusDocument(state="failed", attempt=0, stage="start", step=0, total_steps=run.steps)
            error = ErrorRecord(type=kind, message=message, permanent=False)
            directory.write_status(replace(begun, state="failed", error=error, updated=time.time()))

    def _note_waits(self) -> None:
        for run_id, live in list(self._queue.live.items()):
            waited = self._queue.waited(live)
            if live.training or live.reserving or waited < 2 or time.monotonic() < self._confirmed.get(run_id, 0.0):
                continue
            self._confirmed[run_id] = time.monotonic() + 60
            with suppress(Exception):
                self._store.run_dir(run_id).note_wait(description(live.run.hardware), time.time() - waited)

    def _end_wait(self, run_id: str) -> None:
        if self._confirmed.pop(run_id, None) is not None:
            with suppress(Exception):
                self._store.run_dir(run_id).end_wait()

    def _overdue(self) -> dict[str, str]:
        """All runs that are left, where none trains and the first has waited for the longest time allowed."""
        live = self._queue.live
        limit = self._options.max_wait_hours
        if not live or any(run.training for run in live.values()):
            return {}
        if max(self._queue.waited(run) for run in live.values()) < limit * 3600:
            return {}
        left = {run_id: run.run for run_id, run in live.items()} | self._queue.waiting
        return {
            run_id: f"waited {limit:g} h for {description(run.hardware)}, which did not come (--max-wait)"
            for run_id, run in left.items()
        }

    def _stop(self, driver: "DriverProcess") -> None:
        """Asks the runs under way to write a checkpoint, and waits until they have ended, or the grace has."""
        self._queue.stopping = True
        training = [run_id for run_id, live in self._queue.live.items() if live.training]
        deadline = time.monotonic() + self._options.stop_grace_seconds
        if training:
            log.warning(
                "asking %d runs to write a checkpoint, for at most %.0f s; a second interrupt does not wait",
                len(training), self._options.stop_grace_seconds,
            )  # fmt: skip

        def request(run_id: str) -> None:
            with suppress(Exception):
                # A run that another command executes was waiting here for its lease, and goes on there.
                self._store.run_dir(run_id).request_stop("the sweep was interrupted", self._claim)

        with suppress(KeyboardInterrupt):
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(request, training))
            while time.monotonic() < deadline and any(live.training for live in self._queue.live.values()):
                event = driver.receive(0.2)
                if event == CLOSED:
                    break
                if event is not None:
                    with suppress(ConfigurationError):
                        self._handle(event, driver)
        for run_id in list(self._confirmed):
            self._end_wait(run_id)


CLOSED = {"event": "closed"}


class DriverProcess:
    """A child process that runs `clt_ray.orchestration.sweep`."""

    def __init__(self, verbose: bool) -> None:
        """Starts the process. Its output is shown if `verbose`; otherwise the end of it explains a failure."""
        ours, theirs = socket.socketpair()
        self._log = None if verbose else tempfile.TemporaryFile("w+")  # noqa: SIM115
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # A copy: MLflow's thread may change the environment at the moment in which the process starts.
                env=os.environ.copy(),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                # An interrupt from the terminal is for the supervisor only.
                process_group=0,
            )
        self._connection, self._buffer = ours, b""

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message; a process that is gone is noticed by `receive`."""
        with suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Returns the next message, None when none comes within some seconds, and `CLOSED` when none will come."""
        while b"\n" not in self._buffer:
            if not select.select([self._connection], [], [], seconds)[0]:
                return None
            try:
                data = self._connection.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                return CLOSED
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def last_words(self) -> str:
        """Returns why the process ended: the last line of its output, and its exit status."""
        status = self._process.wait()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        if self._log is None:
            return how
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return f"{lines[-1]} ({how})" if lines else how

    def kill(self) -> None:
        """Ends the process, if it has not ended; closing the connection makes it leave its cluster."""
        self._connection.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:
        # Python accepts handlers in the main thread only; a program that calls this elsewhere handles its signals.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
