"""The seam between the store and where its bytes are.

`Files` is everything the store asks of a place: a local disk (`local.py`) or an object store (`objects.py`).
Paths are relative to the place's root, with `/` between their parts. What the two cannot do alike stays inside
them: a disk replaces a file by renaming, an object store by a single put; only a disk can append.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

TEMPORARY = ".tmp-"
"""First characters of names that are being written; listings leave them out."""


class Files(Protocol):
    """Bytes by path under one root."""

    @property
    def uri(self) -> str:
        """The root, as a user would write it."""

    def under(self, path: str) -> Files:
        """The same place with a root further down."""

    def read(self, path: str) -> bytes | None:
        """Content of a file, None when there is none."""

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of those of the files that exist."""

    def write(self, path: str, data: bytes) -> None:
        """Replace a file. A reader sees the old content or the new, whatever dies when; the new one once this
        has returned."""

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that must not exist; False, and nothing written, when it does."""

    def append_line(self, path: str, line: bytes) -> None:
        """Add a line that ends with a newline. What an interrupted append left after the last newline goes."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder at the path."""

    def names(self, path: str) -> list[str]:
        """Names directly in a folder, sorted; none when there is no such folder."""

    def sizes(self, path: str) -> dict[str, int]:
        """Bytes of every file in a folder and below it, by path from the root."""

    def delete(self, path: str) -> None:
        """Remove a file; it is gone once this has returned. None to remove is no error."""

    def delete_tree(self, path: str) -> None:
        """Remove a folder with all that is in it, in no particular order."""

    def put_tree(self, staging: Path, path: str) -> None:
        """Bring a local folder's files to `path`, beside those of other names; the local folder may be gone then."""

    def get_tree(self, path: str, checksum: str) -> Path:
        """A local folder with the tree's files: the tree itself where it is local, else a copy.

        Args:
            path: Folder of the tree.
            checksum: Names the content; copies of one content in one process are made once.
        """

    def exclusive(self, path: str) -> AbstractContextManager[None]:
        """Keep others out while the block runs: processes of this machine on a disk, threads of this process
        in an object store. The lock dies with its holder."""
