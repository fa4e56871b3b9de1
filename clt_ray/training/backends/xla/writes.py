"""Writing in the background, one thing at a time, with no failure lost.

A checkpoint is copied to the host while training waits, and written while training goes on. What is written then is
no longer the device's, so the writing thread never touches one. Three rules keep this safe:

* at most one write is in flight: the next save waits for it before it copies anything, so the host holds one copy;
* a write that failed raises in the training thread, at the next step, the next save or the end, whichever is first;
* leaving the block joins the write, also when training failed.

Example: `writes.start(first)` returns at once; `writes.check()` raises what `first` raised once it has; then
`writes.wait(); writes.start(second)`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

log = logging.getLogger(__name__)


class Writes:
    """A thread that writes, for use in a `with` block."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begin a write; the one before has been waited for."""
        assert self._pending is None, "one write at a time"
        self._pending = self._thread.submit(write)

    def check(self) -> None:
        """Raise what the write in flight raised, if it has ended; never waits for it."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the write in flight, if there is one, and raise what it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Writes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait()
        except Exception:
            if error is None:
                raise
            # What ended training is the reason that counts.
            log.exception("the checkpoint that was being written is lost")
        finally:
            self._thread.shutdown()
