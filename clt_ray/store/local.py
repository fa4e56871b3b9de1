"""Files on a disk, replaced by renaming, made durable by fsync, and locked by the kernel."""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from clt_ray.store.files import TEMPORARY

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NOT_RENAMED = {errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST}
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True)
class LocalFiles:
    """Implements `Files` in a local folder."""

    root: Path

    @property
    def uri(self) -> str:
        return str(self.root)

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
        target = self.root / path
        new = not target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    end = file.read().rfind(b"\n") + 1
            file.truncate(end)
            file.seek(end)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _sync(target.parent)

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def names(self, path: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.root / path) if not name.startswith(TEMPORARY))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def sizes(self, path: str, temporary: bool = False) -> dict[str, int]:
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
        with suppress(FileNotFoundError):
            os.unlink(self.root / path)
            _sync((self.root / path).parent)

    def delete_tree(self, path: str) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.root / path)

    def put_tree(self, staging: Path, path: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(staging, target)
        except OSError as error:
            if error.errno not in _NOT_RENAMED:
                raise
            shutil.copytree(staging, target, copy_function=shutil.move, dirs_exist_ok=True)
        for folder, _, names in os.walk(target):
            for name in names:
                _share(Path(folder, name), target.parent)
                _sync(Path(folder, name))
            _share(Path(folder), target.parent)
            _sync(Path(folder))
        _sync(target.parent)

    def get_tree(self, path: str, checksum: str) -> Path:
        return self.root / path

    @contextmanager
    def exclusive(self, path: str) -> Iterator[None]:
        lock = self.root / path
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            # Some network file systems have no locks. The checks of the caller remain, as in object stores.
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _written(self, path: str, data: bytes) -> Iterator[Path]:
        """Yields a durable temporary file beside `path`; makes the folder's list of names durable after the block."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{TEMPORARY}{uuid4().hex}-{target.name}"
        try:
            _write_new(temporary, data)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
        _sync(target.parent)


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
