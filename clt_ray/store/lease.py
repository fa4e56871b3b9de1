"""A lease: the right to write a run directory, held by at most one process.

The holder rewrites `lease.json` every few seconds. Whoever wants the run reads that file first:

    no lease.json                                    take it
    heartbeat younger than 60 s                      LeaseHeld
    ... but the holder was a process of this very
        machine, and it no longer exists             take it over, at once
    heartbeat older than 60 s                        take it over

Each lease has a token. A holder that was taken over, say because its machine slept for ten minutes, finds
another token in the file: its `lost` event is set, it never writes the file again, and its next write to the run
directory raises `LeaseLost`.

Reading, judging and writing happen under `Files.exclusive`, so on a disk exactly one contender wins. An object
store has no such lock between machines: there the first lease of a run is a conditional create, which one wins;
two machines that take over the same stale lease in the same instant may both believe they hold it, until the
next heartbeat tells one of them. Machines are assumed to agree on the time to within a small part of 60 s.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from uuid import uuid4

from clt_ray.store.documents import LeaseDocument
from clt_ray.store.errors import LeaseHeld, LeaseLost, StoreError
from clt_ray.store.files import Files
from clt_ray.store.owner import Owner

log = logging.getLogger(__name__)

Clock = Callable[[], float]

LOCK = "lease.lock"
HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0


class Lease:
    """A lease that this process acquired. Leave its `with` block, or call `release`, to give it back."""

    def __init__(self, files: Files, holding: LeaseDocument, clock: Clock) -> None:
        self._files, self._holding, self._clock = files, holding, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()
        """Set once somebody else has taken the lease."""
        self.released = False
        """Whether this process gave the lease back."""

    def start(self, heartbeat_seconds: float) -> None:
        """Keep the lease alive from a background thread."""

        def run() -> None:
            while not self._stop.wait(heartbeat_seconds) and not self.lost.is_set():
                try:
                    self.beat()
                except Exception as error:
                    log.warning("no heartbeat for %s: %s", self._files.uri, error)

        self._thread = threading.Thread(target=run, name="clt-ray-heartbeat", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Show a sign of life, or find out that the lease is lost."""
        with self._files.exclusive(LOCK):
            if not self._still_mine():
                return
            self._holding = replace(self._holding, heartbeat=self._clock())
            self._files.write(LeaseDocument.FILE, self._holding.encode())

    def check(self) -> None:
        """Raise if this process may no longer write.

        A process that was stopped for longer than the lease lives looks at the file before it goes on.

        Raises:
            LeaseLost: Somebody else has the lease.
        """
        if self._clock() - self._holding.heartbeat > self._holding.stale_seconds / 2:
            self.beat()
        if self.lost.is_set():
            raise LeaseLost(f"{self._files.uri}: another process has taken this over")

    def release(self) -> None:
        """Give the lease back, if it is still held."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._files.exclusive(LOCK):
            if not self.released and self._still_mine():
                self._files.delete(LeaseDocument.FILE)
        self.released = True

    def _still_mine(self) -> bool:
        if not self.lost.is_set():
            found = holding_of(self._files.read(LeaseDocument.FILE))
            if found is None or found.token != self._holding.token:
                self.lost.set()
        return not self.lost.is_set()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(
    files: Files,
    owner: Owner | None = None,
    clock: Clock = time.time,
    heartbeat_seconds: float | None = HEARTBEAT_SECONDS,
    stale_seconds: float = STALE_SECONDS,
) -> Lease:
    """Take the lease of a directory.

    Args:
        files: The directory.
        owner: The process that will hold it; by default this one.
        clock: Unix seconds.
        heartbeat_seconds: Seconds between signs of life; None leaves them to the caller.
        stale_seconds: Seconds without a sign of life after which others may take over.

    Raises:
        LeaseHeld: Somebody else has it.
    """
    with files.exclusive(LOCK):
        now = clock()
        data = files.read(LeaseDocument.FILE)
        found = holding_of(data)
        if found is not None and found.is_live(now):
            raise LeaseHeld(
                f"{files.uri} is in use by {found.owner}, last heard of {max(0.0, now - found.heartbeat):.0f} s ago"
                f"; it is free {found.stale_seconds:.0f} s after the last sign of life"
            )
        holding = LeaseDocument(owner or Owner.current(), uuid4().hex, now, now, stale_seconds)
        if data is not None:
            files.write(LeaseDocument.FILE, holding.encode())
        elif not files.create(LeaseDocument.FILE, holding.encode()):
            raise LeaseHeld(f"{files.uri} has just been taken by another process")
        written = holding_of(files.read(LeaseDocument.FILE))
        if written is None or written.token != holding.token:
            raise LeaseHeld(f"{files.uri} has just been taken by another process")
    lease = Lease(files, holding, clock)
    if heartbeat_seconds is not None:
        lease.start(heartbeat_seconds)
    return lease


def holding_of(data: bytes | None) -> LeaseDocument | None:
    """Returns what the content of a lease.json says, None when there is no file.

    A file that is no lease counts as none: no process can be honouring it.
    """
    try:
        return None if data is None else LeaseDocument.decode(data, LeaseDocument.FILE)
    except StoreError:
        return None
