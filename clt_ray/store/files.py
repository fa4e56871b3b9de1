"""The interface between the store and the place of its bytes.

`Files` is everything that the store needs of a place: a local disk (`local.py`) or an object store (`objects.py`).
Paths are relative to the root of the place, with `/` between their parts. Differences between the two stay inside the
implementations: a disk replaces a file by renaming and an object store by a single put; only a disk can append.

`take` returns the same place as one holder of a lease writes it. Whatever this object writes after a later holder has
taken the place raises `LeaseLost` instead of having an effect that a reader could see; `lease.py` has the argument.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from clt_ray.errors import CltRayError

TEMPORARY = ".tmp-"
"""Prefix of the names of files that are being written; listings leave them out."""


class LeaseLost(CltRayError):
    """This process no longer holds the lease that it acquired, so it must not write any more."""


class StorageFull(OSError):
    """The storage has no space left. The documents that were there are unharmed, and running again resumes."""

    def __init__(self, number: int, path: str) -> None:
        """Names the path that could not be written, and what to do; `number` is the error number."""
        remedy = "make space there, for example with `clt-ray clean SWEEP --apply`, and run the command again"
        super().__init__(number, f"{os.strerror(number)}: {remedy}", path)


class Files(Protocol):
    """Files by their path under one root."""

    @property
    def uri(self) -> str:
        """The root, as a user would write it."""

    @property
    def appends(self) -> bool:
        """Whether `append_line` writes one line; an object store has to write the whole file again."""

    def under(self, path: str) -> Self:
        """Returns the same place with `path` as its root."""

    def read(self, path: str) -> bytes | None:
        """Returns the content of a file, None when there is no such file."""

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Returns the contents of those of the files that exist, by path."""

    def write(self, path: str, data: bytes) -> None:
        """Replaces a file atomically and durably: a reader sees the old or the new content, whoever dies when."""

    def create(self, path: str, data: bytes) -> bool:
        """Writes a new file. Returns False, and writes nothing, when there already is a file."""

    def append_line(self, path: str, line: bytes) -> None:
        """Appends a line that ends with a newline, and drops what an interrupted append left after the last one."""

    def exists(self, path: str) -> bool:
        """Returns whether there is a file or a folder at the path."""

    def names(self, path: str) -> list[str]:
        """Returns the sorted names directly inside a folder; none when there is no such folder."""

    def sizes(self, path: str, temporary: bool = False, beginnings: Sequence[str] = ("",)) -> dict[str, int]:
        """Returns the size in bytes of every file inside a folder and its subfolders, by path from the root.

        Files that are being written, or whose writer has died, are left out unless `temporary` is set. `beginnings` are
        those of all names directly inside the folder: an object store lists each by a request of its own, in parallel.
        """

    def delete(self, path: str) -> None:
        """Deletes a file durably, if there is one."""

    def delete_tree(self, path: str) -> None:
        """Deletes a folder with everything inside it, in no particular order."""

    def put_tree(self, staging: Path, path: str) -> None:
        """Moves or copies the files of a local folder into the folder `path`, beside its files of other names."""

    def get_tree(self, path: str, checksum: str) -> Path:
        """Returns a local folder with the files of a tree: the tree itself where it is local, a copy otherwise.

        `checksum` identifies the content; a process copies each content once.
        """

    def get_ranges(self, path: str, ranges: Mapping[str, Iterable[tuple[int, int]]]) -> Path:
        """Returns a local folder with byte ranges (start, stop) of files of a tree, each at its place in its file."""

    def epochs(self) -> list[int]:
        """Returns the epochs that processes hold, or are about to take, or died while taking; none where unknown."""

    def take(self, epoch: int, path: str, expected: bytes | None, document: bytes, token: str) -> Self | None:
        """Replaces the lease document at `path`, on condition that it still has the content `expected`.

        Args:
            epoch: Number of the acquisition.
            path: Path of the lease document.
            expected: Its content when it was read; None when there was none.
            document: Its new content, which contains `token`.
            token: Occurs in every document that this holder will write to `path`, and in no other.

        Returns:
            The place as the new holder writes it; None, and no change, when another process was faster.
        """

    def leave(self) -> None:
        """Removes what `take` left behind, after the lease has been released."""
