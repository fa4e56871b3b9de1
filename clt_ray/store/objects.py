"""Files in an object store, or in any other file system that fsspec supports; opens the place behind any URI."""

import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from clt_ray.store.files import TEMPORARY, Files
from clt_ray.store.local import LocalFiles

PARALLEL_READS = 16

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_copies: dict[tuple[str, str], Path] = {}


@dataclass(frozen=True)
class ObjectFiles:
    """Implements `Files` on an fsspec file system."""

    system: Any
    """The `fsspec.AbstractFileSystem`."""
    root: str
    """Path of the root, without the protocol."""
    scheme: str

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{self.root.lstrip('/')}"

    def under(self, path: str) -> Self:
        return replace(self, root=self._at(path))

    def read(self, path: str) -> bytes | None:
        try:
            return bytes(self.system.cat_file(self._at(path)))
        except (FileNotFoundError, IsADirectoryError):
            return None

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        requested = list(paths)
        if len(requested) <= 1:
            contents = [self.read(path) for path in requested]
        else:
            with ThreadPoolExecutor(PARALLEL_READS) as pool:
                contents = list(pool.map(self.read, requested))
        return {path: data for path, data in zip(requested, contents, strict=True) if data is not None}

    def write(self, path: str, data: bytes) -> None:
        self.system.pipe_file(self._at(path), data)

    def create(self, path: str, data: bytes) -> bool:
        try:
            self.system.pipe_file(self._at(path), data, mode="create")
        except FileExistsError:
            return False
        return True

    def append_line(self, path: str, line: bytes) -> None:
        before = self.read(path) or b""
        self.write(path, before[: before.rfind(b"\n") + 1] + line)

    def exists(self, path: str) -> bool:
        self.system.invalidate_cache()
        return bool(self.system.exists(self._at(path)))

    def names(self, path: str) -> list[str]:
        self.system.invalidate_cache()
        try:
            entries = self.system.ls(self._at(path), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {entry.rstrip("/").rpartition("/")[2] for entry in entries}
        return sorted(name for name in names if name and not name.startswith(TEMPORARY))

    def sizes(self, path: str, temporary: bool = False) -> dict[str, int]:
        # The listings that fsspec caches would hide what other processes have written since.
        self.system.invalidate_cache()
        files = self.system.find(self._at(path), detail=True)
        return {name[len(self.root) + 1 :]: int(info["size"]) for name, info in files.items()}

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self.system.rm_file(self._at(path))

    def delete_tree(self, path: str) -> None:
        self.system.invalidate_cache()
        with suppress(FileNotFoundError):
            self.system.rm(self._at(path), recursive=True)

    def put_tree(self, staging: Path, path: str) -> None:
        local = sorted(file for file in staging.rglob("*") if file.is_file())
        remote = [self._at(f"{path}/{file.relative_to(staging).as_posix()}") for file in local]
        self.system.put([str(file) for file in local], remote)

    def get_tree(self, path: str, checksum: str) -> Path:
        key = (self._at(path), checksum)
        if key not in _copies:
            remote = sorted(self.sizes(path))
            folder = Path(tempfile.mkdtemp(dir=_scratch_folder().name))
            local = [folder / name.removeprefix(f"{path}/") for name in remote]
            for file in local:
                file.parent.mkdir(parents=True, exist_ok=True)
            self.system.get([self._at(name) for name in remote], [str(file) for file in local])
            _copies[key] = folder
        return _copies[key]

    @contextmanager
    def exclusive(self, path: str) -> Iterator[None]:
        with _locks[self._at(path)]:
            yield

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}".rstrip("/")


@cache
def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Folder of downloaded trees, removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="clt-ray-trees-")


def open_files(uri: str) -> Files:
    """Returns the files under a path or any URI that fsspec knows and is configured for; creates nothing yet."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in ("file", "local"):
        return LocalFiles(Path(rest if separator else uri).expanduser().absolute())
    from fsspec.core import url_to_fs

    system, path = url_to_fs(uri)
    return ObjectFiles(system, path.rstrip("/"), scheme)
