"""Metric logs in an object store, which cannot append: lines are collected, and a thread writes them in batches.

    append("train", line)         returns at once; the line is written within FLUSH_SECONDS
    append("validation", line)    returns when all lines of all logs until then are stored

The thread replaces the whole object, so that a log has the same content as on a disk, where each line is appended. A
process that dies loses the lines of the last seconds. They belong to steps after the last checkpoint, because
`RunDir` calls `flush` before it seals a tree, and a resumed training records these steps again.
"""

import logging
import threading
from collections.abc import Callable

from clt_ray.store.files import LeaseLost

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
"""Longest time in seconds that a line which nobody waits for stays in memory."""


class LogBatches:
    """Collects lines for the logs of one run directory."""

    def __init__(self, read: Callable[[str], bytes | None], write: Callable[[str, bytes], None]) -> None:
        """`read` returns the content of a log, `write` replaces it; both take its path."""
        self._read, self._write = read, write
        self._contents: dict[str, bytearray] = {}
        self._unwritten: set[str] = set()
        self._changed = threading.Condition()
        self._flushing = threading.Lock()
        self._urgent = threading.Event()
        self._closed = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def append(self, path: str, line: bytes) -> None:
        """Adds a line to a log. Raises what has kept an earlier line from being written."""
        with self._changed:
            if self._error is not None:
                raise self._error
            content = self._contents.get(path)
            if content is None:
                stored = self._read(path) or b""
                content = self._contents[path] = bytearray(stored[: stored.rfind(b"\n") + 1])
            content += line
            self._unwritten.add(path)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clt-ray-logs", daemon=True)
                self._thread.start()
            self._changed.notify()

    def flush(self) -> None:
        """Returns when all lines are stored. Raises what has kept a line from being written."""
        with self._flushing:
            while True:
                with self._changed:
                    contents = {path: bytes(self._contents[path]) for path in self._unwritten}
                    self._unwritten.clear()
                if not contents:
                    break
                try:
                    for path, content in contents.items():
                        self._write(path, content)
                except BaseException:
                    with self._changed:
                        self._unwritten |= set(contents)
                    raise

    def forget(self) -> None:
        """Stores all lines, and reads the logs again before the next line; for a caller that rewrites them."""
        self.flush()
        with self._changed:
            self._contents.clear()

    def close(self) -> None:
        """Stores all lines and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._urgent.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unwritten or self._closed)
                if self._closed:
                    return
            self._urgent.wait(FLUSH_SECONDS)
            try:
                self.flush()
            except LeaseLost as error:
                self._error = error
                return
            except Exception as error:
                log.warning("log lines were not written yet: %s", error)
