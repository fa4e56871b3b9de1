"""A lease is the right to write a run directory, held by at most one process.

The holder rewrites `lease.json` every few seconds. A process that wants the lease reads the file first:

    no lease.json                                    acquire the lease
    the holder ran on this machine,
        and its process no longer exists             take the lease over at once
    the lease has the claim of this process          take the lease over at once
    the file has not changed for 60 s                take the lease over
    otherwise                                        raise LeaseHeld

The 60 s are counted by the clock of the process that watches the file, from when it first saw this content. Clocks of
different machines are never compared, so a wrong clock cannot steal a lease that is alive.

A claim names the supervisor on whose behalf a process holds the lease, such as a Ray Train run. A supervisor starts a
second process for a run only after it has given up the first, so the second does not wait for the heartbeat of the
first to stop.

Each acquisition has a token. A holder whose lease was taken over, for example because its machine was suspended for
ten minutes, finds another token in the file. It then sets its event `lost` and never writes the file again, and its
next write to the run directory raises `LeaseLost`.

Reading, deciding and writing happen under `Files.exclusive`, so on a disk exactly one contender acquires the lease.
Object stores have no such lock between machines. There, the first lease of a run is a conditional create, which
succeeds once; two machines that take over the same stale lease in the same instant may both believe that they hold it
until the next heartbeat of one of them.
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

    def __init__(self, message: str, renewed: bool = True) -> None:
        """`renewed` says whether the holder has shown a new heartbeat while this process watched the lease."""
        super().__init__(message)
        self.renewed = renewed


class LeaseLost(CltRayError):
    """This process no longer holds the lease that it acquired, so it must not write any more."""


class Watch:
    """For how long a process has seen the same lease document, by a clock of its own that never jumps."""

    def __init__(self, timer: Clock = time.monotonic) -> None:
        self._timer, self._content, self._since = timer, b"", 0.0
        self.renewed = False
        """Whether the document has changed since it was first seen."""

    def unchanged_seconds(self, content: bytes) -> float:
        """Returns for how many seconds the document has had this content, which the caller has just read."""
        now = self._timer()
        if content != self._content:
            self.renewed = bool(self._content)
            self._content, self._since = content, now
        return now - self._since


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
    claim: str | None = None,
    watch: Watch | None = None,
) -> Lease:
    """Acquires the lease of a directory.

    Args:
        files: The directory.
        owner: The process that will hold the lease; by default this process.
        clock: Unix seconds.
        heartbeat_seconds: Time between heartbeats; None leaves them to the caller.
        stale_seconds: Time without a new heartbeat after which others may take the lease over.
        claim: Identity of the supervisor on whose behalf the process holds the lease.
        watch: What this process has seen of the lease in earlier calls, so that calls which are repeated for
            `stale_seconds` of the holder take over the lease of a dead one.

    Raises:
        LeaseHeld: Another process holds it, or may hold it as far as this process has seen.
    """
    watch = watch or Watch()
    with files.exclusive(LOCK):
        data = files.read(LeaseDocument.FILE)
        current = LeaseDocument.decode_if_sound(data)
        if data is not None and current is not None:
            _check_free(current, watch.unchanged_seconds(data), claim, watch.renewed, files.uri)
        now = clock()
        holding = LeaseDocument(owner or Owner.current(), uuid4().hex, now, now, stale_seconds, claim)
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


def _check_free(current: LeaseDocument, seconds: float, claim: str | None, renewed: bool, uri: str) -> None:
    if seconds > current.stale_seconds or current.owner.is_gone() or (claim is not None and claim == current.claim):
        return
    raise LeaseHeld(
        f"{uri} is in use by {current.owner}, whose heartbeat has been the same for {seconds:.0f} s of watching; it "
        f"becomes free after {current.stale_seconds:.0f} s without a new one",
        renewed,
    )
