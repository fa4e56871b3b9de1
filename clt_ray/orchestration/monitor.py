"""Watches run directories while a sweep executes: what to show, and what MLflow should know.

Workers write only to the store. This thread, in the one process that drives the sweep, reads it: so the tracker
has one writer, training never waits for it, and an outage costs nothing but freshness.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Live:
    """One run as last seen."""

    run: RunSpec
    state: str
    """waiting, running, finished or failed."""
    stage: str = ""
    step: int = 0
    total_steps: int = 0
    loss: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A sweep at one moment."""

    total: int
    """Distinct runs of the sweep: those finished earlier and those that other processes execute included."""
    done: int
    running: tuple[Live, ...]
    failed: tuple[Live, ...]
    waiting: int
    elapsed_seconds: float
    eta_seconds: float | None
    """Expected seconds to the end; None until a run has finished."""
    changed: tuple[Live, ...] = field(default=())
    """Runs whose state or stage changed since the snapshot before."""


class Observer(Protocol):
    """Hears which runs are being executed."""

    def started(self, run_id: str) -> None: ...
    def ended(self, run_id: str) -> None: ...


class RunTracker(Protocol):
    """Receives the runs whose directories may have changed, to bring MLflow up to date with them."""

    def update(self, runs: Sequence[RunSpec]) -> None: ...


class Monitor:
    """Collects the state of a sweep once a second and hands it on.

    Use as a context manager around the execution; `started` and `ended` are called by the orchestration.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        already_done: int,
        total: int,
        store: Store,
        show: Callable[[Snapshot], None],
        tracker: RunTracker | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seen = {run.run_id: Live(run, "waiting") for run in runs}
        self._already_done, self._total = already_done, total
        self._store, self._show, self._tracker = store, show, tracker
        self._clock, self._began = clock, clock()
        self._first_start: float | None = None
        self._active: set[str] = set()
        self._ended: set[str] = set()
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
            # Ray's own start-up comes before and is no measure of the runs' speed.
            self._first_start = self._first_start or self._clock()

    def ended(self, run_id: str) -> None:
        with self._lock:
            self._active.discard(run_id)
            self._ended.add(run_id)

    def _loop(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self.poll()

    def poll(self) -> Snapshot:
        """Look once, show, and bring MLflow up to date with the runs that moved."""
        with self._lock:
            look_at = self._active | self._ended
            self._ended = set()
        changed = []
        for run_id in sorted(look_at):
            before = self._seen[run_id]
            now = self._look(before)
            self._seen[run_id] = now
            if (before.state, before.stage) != (now.state, now.stage):
                changed.append(now)
        snapshot = self._snapshot(changed)
        self._show(snapshot)
        if self._tracker is not None and look_at:
            self._tracker.update([self._seen[run_id].run for run_id in sorted(look_at)])
        return snapshot

    def _look(self, before: Live) -> Live:
        status: Mapping = self._store.run_dir(before.run.run_id).read_json("status.json") or {}
        if not status:
            return before
        error = status.get("error") or {}
        return replace(
            before,
            state=status["state"],
            stage=status.get("stage", ""),
            step=int(status.get("step", 0)),
            total_steps=int(status.get("total_steps", 0)),
            loss=status.get("loss"),
            error=error.get("message"),
        )

    def _snapshot(self, changed: Sequence[Live]) -> Snapshot:
        by_state: dict[str, list[Live]] = {"waiting": [], "running": [], "finished": [], "failed": []}
        for live in self._seen.values():
            by_state[live.state].append(live)
        elapsed = self._clock() - self._began
        return Snapshot(
            total=self._total,
            done=len(by_state["finished"]) + self._already_done,
            running=tuple(by_state["running"]),
            failed=tuple(by_state["failed"]),
            waiting=len(by_state["waiting"]),
            elapsed_seconds=elapsed,
            eta_seconds=self._eta(by_state),
            changed=tuple(changed),
        )

    def _eta(self, by_state: Mapping[str, Sequence[Live]]) -> float | None:
        """Work left over work done per second; work is optimizer steps, with half a run's steps as the cost of
        everything around them."""

        def work(live: Live) -> float:
            return 1.5 * live.run.steps

        done = sum(work(live) for live in by_state["finished"])
        if not done or self._first_start is None:
            return None
        left = sum(work(live) for live in by_state["waiting"])
        for live in by_state["running"]:
            part = live.step / live.total_steps if live.total_steps else 0.0
            done += part * live.run.steps
            left += work(live) - part * live.run.steps
        return (self._clock() - self._first_start) * left / done
