"""Files on a disk, replaced by renaming and made durable by fsync.

The holder of a lease writes through a folder of its own, its room: every file begins there and is renamed into its
place, and every file that is deleted is renamed into it. Taking the lease makes a new room and removes the old one.
From then on no rename of the old holder can succeed, since its source or its target no longer exists, whenever the old
holder wakes up. `mkdir` and `rename` are atomic on local disks and on NFS, and no locks are involved.

    runs/0f3a.../.tmp-epoch-000007/<token>/.tmp-5b2e-status.json  ->  runs/0f3a.../status.json
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from clt_ray.store.files import TEMPORARY, LeaseLost, StorageFull

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NOT_RENAMED = {errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ROOM = f"{TEMPORARY}epoch-"
_REMOVED = f"{TEMPORARY}removed-"
_ROOM_REMOVALS = 1000
"""Attempts at removing a room into which its holder may be writing at this moment."""


@dataclass(frozen=True)
class LocalFiles:
    """Implements `Files` in a local folder."""

    root: Path
    room: Path | None = None
    """Folder through which the holder of a lease writes; None for writes without a lease."""

    @property
    def uri(self) -> str:
        return str(self.root)

    @property
    def appends(self) -> bool:
        return True

    def under(self, path: str) -> Self:
        return replace(self, root=self.root / path)

    def read(self, path: str) -> bytes | None:
        try:
            with open(os.path.join(self.root, path), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: data for path in paths if (data := self.read(path)) is not None}

    def write(self, path: str, data: bytes) -> None:
        with self._written(path, data) as temporary:
            os.replace(temporary, self.root / path)
            if self.room is not None:
                self._own_name(path).unlink(missing_ok=True)

    def create(self, path: str, data: bytes) -> bool:
        # A hard link appears with its content and fails where there is a file; O_EXCL would first show an empty file.
        with self._written(path, data) as temporary:
            try:
                os.link(temporary, self.root / path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                try:
                    _write_new(self.root / path, data)
                except FileExistsError:
                    return False
        return True

    def append_line(self, path: str, line: bytes) -> None:
        with self._checked(path):
            if self.room is None:
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                _append(self.root / path, line, os.O_CREAT)
                return
            # The name of the file in the room disappears with the room, so that a later open fails. A descriptor that
            # is open already belongs to a file that the next holder has replaced by a copy.
            if not self._own_name(path).exists() and not self._make_own(path):
                before = self.read(path) or b""
                self.write(path, before[: before.rfind(b"\n") + 1] + line)
                return
            _append(self._own_name(path), line)

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def names(self, path: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.root / path) if not name.startswith(TEMPORARY))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def sizes(self, path: str, temporary: bool = False, beginnings: Sequence[str] = ("",)) -> dict[str, int]:
        sizes: dict[str, int] = {}
        folders = [path]
        while folders:
            folder = folders.pop()
            # A folder may be listed while its owner deletes files in it.
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / folder) as entries:
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.name.startswith(TEMPORARY) and not temporary:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(name)
                    else:
                        with suppress(FileNotFoundError):
                            sizes[name] = entry.stat().st_size
        return sizes

    def delete(self, path: str) -> None:
        with self._checked(path):
            if self.room is None:
                (self.root / path).unlink(missing_ok=True)
            elif (self.root / path).exists():
                os.rename(self.root / path, gone := self._temporary("deleted"))
                gone.unlink()
            with suppress(FileNotFoundError):
                _sync((self.root / path).parent)

    def delete_tree(self, path: str) -> None:
        with self._checked(path):
            target = self.root / path
            if self.room is not None and target.exists():
                os.rename(target, target := self._temporary("deleted"))
            with suppress(FileNotFoundError):
                shutil.rmtree(target)

    def put_tree(self, staging: Path, path: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._checked(path):
            if self.room is not None:
                _move_tree(staging, staging := self._temporary("tree"))
            for folder, _, names in os.walk(staging):
                for name in names:
                    _share(Path(folder, name), target.parent)
                    _sync(Path(folder, name))
                _share(Path(folder), target.parent)
                _sync(Path(folder))
            _move_tree(staging, target)
            for folder, _, _ in os.walk(target):
                _sync(Path(folder))
        _sync(target.parent)

    def get_tree(self, path: str, checksum: str) -> Path:
        return self.root / path

    def get_ranges(self, path: str, ranges: Mapping[str, Iterable[tuple[int, int]]]) -> Path:
        return self.root / path

    def epochs(self) -> list[int]:
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            return []
        return [int(name.removeprefix(_ROOM)) for name in names if name.startswith(_ROOM)]

    def take(self, epoch: int, path: str, expected: bytes | None, document: bytes, token: str) -> Self | None:
        with self._checked(path):
            self.root.mkdir(parents=True, exist_ok=True)
        # The outer folder excludes other contenders for this epoch. The inner one is this holder's alone, even if the
        # outer one should be removed and made again while this process is suspended.
        outer = self.root / f"{_ROOM}{epoch:06d}"
        holder = replace(self, room=outer / token)
        try:
            outer.mkdir()
            (outer / token).mkdir()
        except (FileExistsError, FileNotFoundError):
            return None
        if self.read(path) != expected:
            holder.leave()
            return None
        for earlier in self.epochs():
            if earlier < epoch:
                _remove_room(self.root / f"{_ROOM}{earlier:06d}")
        for name in os.listdir(self.root):
            if name.startswith(_REMOVED):
                _remove_room(self.root / name)
        try:
            holder.write(path, document)
        except LeaseLost:
            return None
        return holder

    def leave(self) -> None:
        if self.room is not None:
            _remove_room(self.room)
            with suppress(OSError):
                self.room.parent.rmdir()

    def _temporary(self, name: str) -> Path:
        """Returns a new path in the room."""
        assert self.room is not None
        return self.room / f"{TEMPORARY}{uuid4().hex}-{name}"

    def _own_name(self, path: str) -> Path:
        """Returns the second name, in the room, of a log to which this holder appends."""
        assert self.room is not None
        return self.room / f"{TEMPORARY}{path.replace('/', '__')}"

    def _make_own(self, path: str) -> bool:
        """Replaces a log by a copy that has a name in the room as well; False where there are no hard links."""
        content = self.read(path) or b""
        with self._written(path, content[: content.rfind(b"\n") + 1]) as temporary:
            try:
                os.link(temporary, self._own_name(path))
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                return False
            os.replace(temporary, self.root / path)
        return True

    @contextmanager
    def _written(self, path: str, data: bytes) -> Iterator[Path]:
        """Yields a durable temporary file for `path`; makes the folder's list of names durable after the block."""
        target = self.root / path
        with self._checked(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            name = f"{TEMPORARY}{uuid4().hex}-{target.name}"
            temporary = (self.room or target.parent) / name
            try:
                _write_new(temporary, data)
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)
            _sync(target.parent)

    @contextmanager
    def _checked(self, path: str) -> Iterator[None]:
        """Raises `LeaseLost` for a write that failed because the room is gone; names the remedy when a disk is full."""
        try:
            yield
        except OSError as error:
            if self.room is not None and not self.room.is_dir():
                raise LeaseLost(f"another process has taken over {self.root}: {path} was not written") from error
            if error.errno in _FULL and not isinstance(error, StorageFull):
                raise StorageFull(error.errno, str(self.root / path)) from error
            raise


def _append(file_name: Path, line: bytes, flags: int = 0) -> None:
    """Appends a line to a file after dropping an incomplete last line."""
    new = not file_name.exists()
    with os.fdopen(os.open(file_name, os.O_RDWR | flags, 0o644), "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                end = file.read().rfind(b"\n") + 1
        file.truncate(end)
        file.seek(end)
        if file.write(line) != len(line):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file_name))
        os.fsync(file.fileno())
    if new:
        _sync(file_name.parent)


def _move_tree(source: Path, target: Path) -> None:
    """Moves a folder, or its files beside those that the target holds already."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno not in _NOT_RENAMED:
            raise
        for folder, _, names in os.walk(source):
            inside = target / Path(folder).relative_to(source)
            inside.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.move(Path(folder, name), inside / name)
        shutil.rmtree(source)


def _remove_room(room: Path) -> None:
    """Removes a room, even while its holder writes into it; nothing can be renamed out of it afterwards."""
    removed = room if room.name.startswith(_REMOVED) else room.with_name(f"{_REMOVED}{uuid4().hex}")
    with suppress(FileNotFoundError):
        os.rename(room, removed)  # an operation that has yet to look the room up fails at once
    for _ in range(_ROOM_REMOVALS):
        shutil.rmtree(removed, ignore_errors=True)
        if not removed.exists():
            return
    raise OSError(errno.ENOTEMPTY, "another process keeps writing into a folder that was to be removed", str(removed))


def _write_new(target: Path, data: bytes) -> None:
    with open(target, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _share(path: Path, beside: Path) -> None:
    """Lets those read `path` who may read the folder `beside`; temporary folders and safetensors files are private."""
    mode = stat.S_IMODE(path.stat().st_mode)
    shared = mode | (beside.stat().st_mode & (0o777 if path.is_dir() else 0o666))
    if mode != shared:
        path.chmod(shared)


def _sync(path: Path) -> None:
    """Makes the content of a file, or the list of names of a folder, survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
