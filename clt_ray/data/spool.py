"""Keeps the n records with the smallest keys of a stream of any length, in the memory of n keys.

    >>> with Spool(2) as kept:
    ...     for key, record in ((b"m", "A"), (b"c", "B"), (b"x", "C"), (b"a", "D")):
    ...         kept.add(key, record)
    ...     list(kept)
    ['B', 'D']

With hashes as keys this is a sample that depends on the records alone, and not on their order, on the boundaries of
chunks, or on a random state. A larger n keeps all records that a smaller n keeps.
"""

import heapq
import json
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any


class Spool:
    """Keeps the records with the `limit` smallest keys; of several records with one key, the first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.duplicates = 0
        """Number of records that were left out because a kept record has the same key."""
        self.beyond = 0
        """Number of records that were left out because `limit` others have smaller keys."""
        self._largest_first: list[int] = []
        self._kept: set[int] = set()
        self._file: IO[str] | None = None

    def add(self, key: bytes, record: Any) -> None:
        """Adds a record, which is kept while its key is among the smallest.

        Args:
            key: Sort key, of the same length for all records.
        """
        number = int.from_bytes(key, "big")
        if number in self._kept:
            self.duplicates += 1
            return
        if len(self._kept) >= self.limit:
            self.beyond += 1
            if number > -self._largest_first[0]:
                return
            self._kept.remove(-heapq.heappop(self._largest_first))
        heapq.heappush(self._largest_first, -number)
        self._kept.add(number)
        assert self._file is not None, "a spool is used inside `with`"
        self._file.write(f"{number:x} {json.dumps(record, ensure_ascii=True)}\n")

    def __iter__(self) -> Iterator[Any]:
        """Yields the kept records in the order in which they were added."""
        assert self._file is not None, "a spool is used inside `with`"
        self._file.flush()
        self._file.seek(0)
        yielded: set[int] = set()
        for line in self._file:
            number, _, record = line.partition(" ")
            key = int(number, 16)
            # A record that was displaced and then added again is in the file twice.
            if key in self._kept and key not in yielded:
                yielded.add(key)
                yield json.loads(record)

    def __enter__(self) -> "Spool":
        # Every record that is kept for a while is written: about n (1 + ln(N / n)) records for n kept ones of N.
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", prefix="clt-ray-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
