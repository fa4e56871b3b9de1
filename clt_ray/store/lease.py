"""A lease is the right to write a run directory, held by at most one process.

The holder rewrites `lease.json` every few seconds. A process that wants the lease reads the file first:

    no lease.json                                    acquire the lease
    heartbeat younger than 60 s                      raise LeaseHeld
    ... but the holder ran on this machine,
        and its process no longer exists             take the lease over at once
    heartbeat older than 60 s                        take the lease over

Each acquisition has a token. A holder whose lease was taken over, for example because its machine was suspended for
ten minutes, finds another token in the file. It then sets its event `lost` and never writes the file again, and its
next write to the run directory raises `LeaseLost`.

Reading, deciding and writing happen under `Files.exclusive`, so on a disk exactly one contender acquires the lease.
Object stores have no such lock between machines. There, the first lease of a run is a conditional create, which
succeeds once; two machines that take over the same stale lease in the same instant may both believe that they hold it
until the next heartbeat of one of them. The clocks of the machines have to agree to within a small part of 60 s.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self
from uuid import uuid4

from clt_ray.errors import CltRayError
from clt_ray.store.documents import LeaseDocument
from clt_ray.store.files import Files
from clt_ray.store.owner import Owner

log = logging.getLogger(__name__)

Clock = Callable[[], float]

LOCK = "lease.lock"
HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0


class LeaseHeld(CltRayError):
    """Another process holds the lease."""


class LeaseLost(CltRayError):
    """This process no longer holds the lease that it acquired, so it must not write any more."""


class Lease:
    """A lease that this process holds until it leaves the `with` block or calls `release`."""

    def __init__(self, files: Files, holding: LeaseDocument, clock: Clock) -> None:
        """Describes a lease that `acquire` has just written as `holding` to the directory `files`."""
        self._files, self._holding, self._clock = files, holding, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()
        """Set once another process has taken the lease over."""
        self.released = False

    def start(self, heartbeat_seconds: float) -> None:
        """Renews the heartbeat from a background thread, every `heartbeat_seconds` seconds."""

        def run() -> None:
            while not self._stop.wait(heartbeat_seconds) and not self.lost.is_set():
                try:
                    self.beat()
                except Exception as error:
                    log.warning("the heartbeat of %s was not written: %s", self._files.uri, error)

        self._thread = threading.Thread(target=run, name="clt-ray-heartbeat", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Renews the heartbeat, or sets `lost` when another process has taken the lease over."""
        with self._files.exclusive(LOCK):
            if not self._is_held():
                return
            self._holding = replace(self._holding, heartbeat=self._clock())
            self._files.write(LeaseDocument.FILE, self._holding.encode())

    def check(self) -> None:
        """Raises `LeaseLost` if another process has taken the lease over; after a long suspension, reads the file."""
        if self._clock() - self._holding.heartbeat > self._holding.stale_seconds / 2:
            self.beat()
        if self.lost.is_set():
            raise LeaseLost(f"another process has taken over {self._files.uri}, so this one stops writing to it")

    def release(self) -> None:
        """Gives the lease back, if this process still holds it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._files.exclusive(LOCK):
            if not self.released and self._is_held():
                self._files.delete(LeaseDocument.FILE)
        self.released = True

    def _is_held(self) -> bool:
        if not self.lost.is_set():
            current = LeaseDocument.decode_if_sound(self._files.read(LeaseDocument.FILE))
            if current is None or current.token != self._holding.token:
                self.lost.set()
        return not self.lost.is_set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(
    files: Files,
    owner: Owner | None = None,
    clock: Clock = time.time,
    heartbeat_seconds: float | None = HEARTBEAT_SECONDS,
    stale_seconds: float = STALE_SECONDS,
) -> Lease:
    """Acquires the lease of a directory.

    Args:
        files: The directory.
        owner: The process that will hold the lease; by default this process.
        clock: Unix seconds.
        heartbeat_seconds: Time between heartbeats; None leaves them to the caller.
        stale_seconds: Age of the last heartbeat from which on others may take the lease over.

    Raises:
        LeaseHeld: Another process holds it.
    """
    with files.exclusive(LOCK):
        now = clock()
        data = files.read(LeaseDocument.FILE)
        current = LeaseDocument.decode_if_sound(data)
        if current is not None and current.is_live(now):
            raise LeaseHeld(
                f"{files.uri} is in use by {current.owner}, whose last heartbeat was "
                f"{max(0.0, now - current.heartbeat):.0f} s ago; it becomes free when the last one is "
                f"{current.stale_seconds:.0f} s old"
            )
        holding = LeaseDocument(owner or Owner.current(), uuid4().hex, now, now, stale_seconds)
        if data is not None:
            files.write(LeaseDocument.FILE, holding.encode())
        else:
            files.create(LeaseDocument.FILE, holding.encode())
        written = LeaseDocument.decode_if_sound(files.read(LeaseDocument.FILE))
        if written is None or written.token != holding.token:
            raise LeaseHeld(f"another process has just acquired {files.uri}")
    lease = Lease(files, holding, clock)
    if heartbeat_seconds is not None:
        lease.start(heartbeat_seconds)
    return lease
