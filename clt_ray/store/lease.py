"""A lease is the right to write a run directory, held by at most one process.

The holder rewrites `lease.json` every few seconds. A process that wants the lease reads the file first:

    no lease.json, or a released lease               acquire the lease
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

A former holder that wakes up, after a suspension or behind a network that came back, changes nothing that counts:

1. Each acquisition has a number, its epoch, and `Files.take` gives each epoch to at most one process: a disk by
   `mkdir`, an object store by replacing `lease.json` on the condition that it still is what the contender has read.
   The file stays after a release, so epochs only grow.
2. On a disk, all writes and deletions of the holder are renames out of or into a folder of its own. Taking the lease
   removes that folder before anything else is read or written, so every later rename of the former holder fails.
3. On an object store, the holder replaces an object only if it has the version that the holder knows. It knows versions
   from a listing, after which it found that it still held the lease, and from its own writes. Whatever a later holder
   writes has another version. A late write therefore succeeds only on an object that the later holder has not written
   yet; it then is as if it had come before the take-over, and the later holder replaces it.
4. What remains are new objects, which a late write could create. Markers of trees carry the epoch, and count only
   from the `base` of the lease on. The new holder first takes over what exists, by writing its own epoch into the
   markers and the logs, and a `result.json` that is no result where there is none. Then it sets `base` to its epoch.
   If it dies in between, the next holder begins with the old base, as if this one had not been.

The heartbeat and the check before writes only make a former holder stop early; nothing above depends on a clock.
Where a file system has no conditional writes (`memory://` and those that `conditional.py` does not name), step 1 and 3
compare and then write, and hold only between the threads of one process.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self
from uuid import uuid4

from clt_ray.errors import CltRayError
from clt_ray.store import trees
from clt_ray.store.documents import LeaseDocument
from clt_ray.store.files import Files
from clt_ray.store.files import LeaseLost as LeaseLost
from clt_ray.store.owner import Owner

log = logging.getLogger(__name__)

Clock = Callable[[], float]

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0


class LeaseHeld(CltRayError):
    """Another process holds the lease."""

    def __init__(self, message: str, renewed: bool = True) -> None:
        """`renewed` says whether the holder has shown a new heartbeat while this process watched the lease."""
        super().__init__(message)
        self.renewed = renewed


class Watch:
    """For how long a process has seen the same lease document, by a clock of its own that never jumps."""

    def __init__(self, timer: Clock = time.monotonic) -> None:
        self.timer = timer
        self._content: bytes | None = None
        self._since = 0.0
        self.renewed = False
        """Whether the document has changed since it was first seen."""

    def unchanged_seconds(self, content: bytes) -> float:
        """Returns for how many seconds the document has had this content, which the caller has just read."""
        now = self.timer()
        if content != self._content:
            self.renewed = self._content is not None
            self._content, self._since = content, now
        return now - self._since


class Lease:
    """A lease that this process holds until it leaves the `with` block or calls `release`."""

    def __init__(self, files: Files, holding: LeaseDocument, clock: Clock, timer: Clock, confirmed: float) -> None:
        """Describes a lease that `acquire` has just written as `holding`, at `confirmed` by `timer`.

        `files` is what `Files.take` has returned. `clock` gives Unix seconds.
        """
        self._files, self._holding, self._clock = files, holding, clock
        self._timer, self._confirmed = timer, confirmed
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()
        """Set once it is known that another process has taken the lease over."""
        self.released = False
        self.is_take_over = False
        """Whether an earlier holder had not released the lease, and may still be writing."""
        self.before_release: Callable[[], None] | None = None
        """Called once when the lease is about to be given back, to write what is still in memory."""

    @property
    def epoch(self) -> int:
        """Number of this acquisition; every later one has a larger number."""
        return self._holding.epoch or 0

    @property
    def base(self) -> int:
        """Trees of earlier epochs than this do not count."""
        return self._holding.base or 0

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

    def beat(self, base: int | None = None) -> None:
        """Renews the heartbeat, or sets `lost` when another process has taken the lease over; may set the base."""
        with self._lock:
            if self.released or not self._is_held():
                return
            now = self._timer()
            try:
                self._write(replace(self._holding, heartbeat=self._clock(), base=base or self._holding.base))
            except LeaseLost:
                return
            self._confirmed = now

    def check(self) -> None:
        """Raises `LeaseLost` if another process is known to have the lease; without a recent heartbeat, finds out."""
        if self._timer() - self._confirmed > self._holding.stale_seconds / 2:
            self.beat()
        if self.lost.is_set():
            raise LeaseLost(f"another process has taken over {self._files.uri}, so this one stops writing to it")

    @contextmanager
    def writing(self) -> Iterator[Files]:
        """Yields the files through which the holder writes; raises `LeaseLost` before or during the block."""
        self.check()
        try:
            yield self._files
        except LeaseLost:
            self.lost.set()
            raise

    def release(self) -> None:
        """Gives the lease back, if this process still holds it.

        Where that cannot be written, on a full disk for example, others have to wait until the lease is stale.
        """
        try:
            if self.before_release is not None and not self.released and not self.lost.is_set():
                self.before_release()
        except LeaseLost:
            self.lost.set()
        finally:
            self._give_back()

    def _give_back(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            if self.released:
                return
            try:
                if self._is_held():
                    self._write(replace(self._holding, heartbeat=0.0))
                    self._files.leave()
            except (LeaseLost, OSError) as error:
                log.warning("the lease of %s was not given back: %s", self._files.uri, error)
            self.released = True

    def _write(self, holding: LeaseDocument) -> None:
        try:
            self._files.write(LeaseDocument.FILE, holding.encode())
        except LeaseLost:
            self.lost.set()
            raise
        self._holding = holding

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
    data = files.read(LeaseDocument.FILE)
    current = LeaseDocument.decode_if_sound(data)
    # Without a readable lease, the epochs go on after those that trees have in their names.
    known, base = (current.epoch or 0, current.base) if current is not None else (trees.last_epoch(files), None)
    taking = [epoch for epoch in files.epochs() if epoch > known]
    seconds = watch.unchanged_seconds((data or b"") + repr(taking).encode())
    if current is not None:
        _check_free(current, seconds, claim, watch.renewed, files.uri)
    if taking and seconds <= stale_seconds:
        raise LeaseHeld(f"another process is acquiring {files.uri}", watch.renewed)
    token, now, confirmed = uuid4().hex, clock(), watch.timer()
    epoch = max([known, *taking]) + 1
    holding = LeaseDocument(owner or Owner.current(), token, now, now, stale_seconds, claim, epoch, base)
    taken = files.take(epoch, LeaseDocument.FILE, data, holding.encode(), token)
    if taken is None:
        raise LeaseHeld(f"another process is acquiring {files.uri}", watch.renewed)
    lease = Lease(taken, holding, clock, watch.timer, confirmed)
    lease.is_take_over = current is not None and not current.is_released
    if heartbeat_seconds is not None:
        lease.start(heartbeat_seconds)
    return lease


def _check_free(current: LeaseDocument, seconds: float, claim: str | None, renewed: bool, uri: str) -> None:
    ours = claim is not None and claim == current.claim
    if current.is_released or ours or seconds > current.stale_seconds or current.owner.is_gone():
        return
    raise LeaseHeld(
        f"{uri} is in use by {current.owner}, whose heartbeat has been the same for {seconds:.0f} s of watching; it "
        f"becomes free after {current.stale_seconds:.0f} s without a new one",
        renewed,
    )
