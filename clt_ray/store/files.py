"""The interface between the store and the place of its bytes.

`Files` is everything that the store needs of a place: a local disk (`local.py`) or an object store (`objects.py`).
Paths are relative to the root of the place, with `/` between their parts. Differences between the two stay inside the
implementations: a disk replaces a file by renaming and an object store by a single put; only a disk can append.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

TEMPORARY = ".tmp-"
"""Prefix of the names of files that are being written; listings leave them out."""


class Files(Protocol):
    """Files by their path under one root."""

    @property
    def uri(self) -> str:
        """The root, as a user would write it."""

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

    def sizes(self, path: str, temporary: bool = False) -> dict[str, int]:
        """Returns the size in bytes of every file inside a folder and its subfolders, by path from the root.

        Files that are being written, or whose writer has died, are left out unless `temporary` is set.
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

    def exclusive(self, path: str) -> AbstractContextManager[None]:
        """Excludes others meanwhile: this machine's processes on a disk, this process's threads in an object store."""
