"""Observes the run directories of a sweep while it executes, to show progress and to keep MLflow up to date.

Workers write to the store only. A thread of the process that executes the sweep reads the store and writes to MLflow.
MLflow therefore has one writer, training never waits for it, and during an outage MLflow is merely out of date.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from clt_ray.store import StatusDocument, Store
from clt_ray.sweep.run import RunSpec

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class RunSnapshot:
    """State of one run when its directory was read last."""

    run: RunSpec
    state: str
    """`waiting`, `running`, `finished` or `failed`."""
    stage: str = ""
    """`start`, `data`, `train` or `evaluate`; empty before the run has started."""
    step: int = 0
    total_steps: int = 0
    """Optimizer steps of the whole run; 0 while unknown."""
    loss: float | None = None
    """Training loss at that step, in nats per token; None before the first log."""
    error: str | None = None

    @property
    def name(self) -> str:
        return self.run.name


@dataclass(frozen=True)
class SweepSnapshot:
    """State of a sweep at one moment."""

    total: int
    """Number of distinct runs of the sweep, including those finished earlier and those that other processes execute."""
    done: int
    running: tuple[RunSnapshot, ...]
    failed: tuple[RunSnapshot, ...]
    waiting: int
    elapsed_seconds: float
    eta_seconds: float | None
    """Expected seconds until the last run ends; None before a run has finished."""
    changed: tuple[RunSnapshot, ...] = ()
    """Runs whose state or stage has changed since the previous snapshot."""


class Observer(Protocol):
    """Is notified when the execution of runs starts and ends."""

    def started(self, run_id: str) -> None: ...
    def ended(self, run_id: str) -> None: ...


class RunTracker(Protocol):
    """Receives the runs whose directories may have changed, to bring MLflow up to date with them."""

    def check(self) -> None: ...
    def update(self, runs: Sequence[RunSpec]) -> None: ...


class Monitor:
    """Reads the state of a sweep once a second, and passes it to a display and to the tracker.

    Use it as a context manager around the execution, and pass it to the execution as its `Observer`.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        already_done: int,
        total: int,
        store: Store,
        show: Callable[[SweepSnapshot], None],
        tracker: RunTracker | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares to observe runs of a sweep with `total` distinct runs, of which `already_done` finished earlier."""
        self._runs = {run.run_id: RunSnapshot(run, "waiting") for run in runs}
        self._already_done, self._total = already_done, total
        self._store, self._show, self._tracker = store, show, tracker
        self._clock, self._start_time = clock, clock()
        self._first_start: float | None = None
        self._active: set[str] = set()
        self._ended: set[str] = set()
        self._outage = False
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="clt-ray-monitor", daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.poll()

    def started(self, run_id: str) -> None:
        with self._lock:
            self._active.add(run_id)
            # Time before the first start is Ray's, and would distort the estimate of the remaining time.
            self._first_start = self._first_start or self._clock()

    def ended(self, run_id: str) -> None:
        with self._lock:
            self._active.discard(run_id)
            self._ended.add(run_id)

    def _loop(self) -> None:
        if self._tracker is not None:
            self._tracker.check()
        while not self._stop.wait(POLL_SECONDS):
            self.poll()

    def poll(self) -> SweepSnapshot:
        """Reads the directories of active runs, shows the new snapshot, and updates MLflow with these runs."""
        with self._lock:
            to_read = self._active | self._ended
            self._ended = set()
        changed = []
        for run_id, status in sorted(self._read(to_read).items()):
            before = self._runs[run_id]
            place = status.state, status.stage, status.step, status.total_steps or 0, status.loss
            now = self._runs[run_id] = RunSnapshot(before.run, *place, status.error.message if status.error else None)
            if (before.state, before.stage) != (now.state, now.stage):
                changed.append(now)
        snapshot = self._snapshot(changed)
        self._show(snapshot)
        if self._tracker is not None and to_read:
            try:
                self._tracker.update([self._runs[run_id].run for run_id in sorted(to_read)])
            except Exception as error:
                # Whatever fails here reads the store or MLflow; the next command brings MLflow up to date.
                log.warning("MLflow was not updated, training continues: %s", error)
        return snapshot

    def _read(self, run_ids: set[str]) -> Mapping[str, StatusDocument]:
        """Reads the status of some runs; during an outage of the store, none, and these runs are read again later."""
        try:
            statuses = self._store.documents(sorted(run_ids), StatusDocument)
        except Exception as error:
            with self._lock:
                self._ended |= run_ids - self._active
            if not self._outage:
                log.warning("the store does not answer, so the progress is not shown; training continues: %s", error)
            self._outage = True
            return {}
        self._outage = False
        return statuses

    def _snapshot(self, changed: Sequence[RunSnapshot]) -> SweepSnapshot:
        by_state: dict[str, list[RunSnapshot]] = {"waiting": [], "running": [], "finished": [], "failed": []}
        for run_snapshot in self._runs.values():
            by_state[run_snapshot.state].append(run_snapshot)
        elapsed = self._clock() - self._start_time
        running, failed = tuple(by_state["running"]), tuple(by_state["failed"])
        done, waiting = len(by_state["finished"]) + self._already_done, len(by_state["waiting"])
        eta = self._eta(by_state)
        return SweepSnapshot(self._total, done, running, failed, waiting, elapsed, eta, tuple(changed))

    def _eta(self, by_state: Mapping[str, Sequence[RunSnapshot]]) -> float | None:
        """Returns the work left, divided by the work done per second."""

        def work(run_snapshot: RunSnapshot) -> float:
            # The number of optimizer steps, and half as much again for everything but training.
            return 1.5 * run_snapshot.run.steps

        done = sum(work(run_snapshot) for run_snapshot in by_state["finished"])
        if not done or self._first_start is None:
            return None
        left = sum(work(run_snapshot) for run_snapshot in by_state["waiting"])
        for run_snapshot in by_state["running"]:
            fraction = run_snapshot.step / run_snapshot.total_steps if run_snapshot.total_steps else 0.0
            done += fraction * run_snapshot.run.steps
            left += work(run_snapshot) - fraction * run_snapshot.run.steps
        return (self._clock() - self._first_start) * left / done
