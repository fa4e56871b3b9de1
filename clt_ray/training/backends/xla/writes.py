"""Writes checkpoints in a background thread, one at a time, and reports every failure.

A checkpoint is copied to the host while training waits, and written while training continues. The copy is in host
memory, so the writing thread never uses the device. Three rules make this safe:

* At most one write is in progress. The next save waits for it before it copies anything, so the host holds one copy.
* A failed write raises in the training thread, at the next step, the next save or the end, whichever comes first.
* Leaving the `with` block waits for the write, also if training has failed.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

log = logging.getLogger(__name__)


class Writes:
    """A thread that writes checkpoints, for use in a `with` block."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Starts a write; the previous one must have been waited for."""
        assert self._pending is None, "one write at a time"
        self._pending = self._thread.submit(write)

    def check(self) -> None:
        """Raises the error of the current write, if it has ended with one; does not wait for it."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Waits for the current write, if there is one, and raises its error."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.wait()
        except Exception:
            if kind is None:
                raise
            # The error that ended training must not be hidden by this one.
            log.exception("the checkpoint that was being written is lost")
        finally:
            self._thread.shutdown()
