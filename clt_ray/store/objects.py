"""Files in an object store, or in any other file system that fsspec supports; opens the place behind any URI.

The holder of a lease writes an object only if it still has the version that the holder knows: from the listing that
follows the acquisition, or from its own last write. `lease.py` shows why this keeps a former holder out.

The back-ends of fsspec repeat a request that fails, for some seconds. `_retried` repeats what they give up, so that an
outage of the storage of up to a minute costs no run.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.store.conditional import Changed, Info, conditional
from clt_ray.store.files import TEMPORARY, Files, LeaseLost
from clt_ray.store.local import LocalFiles

log = logging.getLogger(__name__)

T = TypeVar("T")

OUTAGE_SECONDS = 60.0
"""Time during which a request that fails is repeated."""
PARALLEL_READS = 64
PARALLEL_RANGES = 8
"""Blocks of large files that are read at a time; each is in memory meanwhile."""
CONFLICTS = 5
"""Number of times that an object may turn out to have been written by others before a write is given up."""
_LONGEST_PAUSE_SECONDS = 5.0
_PERMANENT = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_HTTP_CLIENTS = {"aiohttp", "azure", "requests", "urllib3"}

EXTRAS = {"gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3", "az": "azure", "abfs": "azure", "abfss": "azure"}
"""The extra of this package that installs the back-end of a URI scheme."""

_OPTIONS: dict[str, dict[str, Any]] = {"s3": {"config_kwargs": {"max_pool_connections": PARALLEL_READS}}}
"""Options of file systems by URI scheme. botocore keeps 10 connections by default, which serialises parallel reads."""

_READ_OPTIONS: dict[str, dict[str, Any]] = {"s3": {"max_concurrency": 1}}
"""Options of reads. s3fs would ask for the size of every object first, in order to read large ones in parts."""

_copies: dict[tuple[str, str], Path] = {}


@dataclass(frozen=True)
class _Holding:
    """What the holder of a lease knows of the objects that it may replace."""

    lease: str
    """Path of the lease document."""
    token: bytes
    """Occurs in the lease document as long as the lease is held."""
    versions: dict[str, str]
    """Version of each object, by its path, as this holder has last seen or written it."""


@dataclass(frozen=True)
class ObjectFiles:
    """Implements `Files` on an fsspec file system."""

    system: Any
    """The `fsspec.AbstractFileSystem`."""
    root: str
    """Path of the root, without the protocol."""
    scheme: str
    holding: _Holding | None = None
    """None for writes without a lease."""

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{self.root.lstrip('/')}"

    @property
    def appends(self) -> bool:
        return False

    def under(self, path: str) -> Self:
        return replace(self, root=self._at(path))

    def read(self, path: str) -> bytes | None:
        try:
            return self._cat(self._at(path))
        except (FileNotFoundError, IsADirectoryError):
            return None

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        places = {path: self._at(path) for path in paths}
        contents: dict[str, Any] = {}
        if len(places) > 1 and self.system.async_impl:
            contents = dict(zip(places, self._cat_many(list(places.values())), strict=True))
        found = {}
        for path in places:
            content = contents.get(path)
            if not isinstance(content, (bytes, *_PERMANENT)):
                content = self.read(path)
            if isinstance(content, bytes):
                found[path] = content
        return found

    def write(self, path: str, data: bytes) -> None:
        if self.holding is None:
            _retried(lambda: self.system.pipe_file(self._at(path), data))
        else:
            self.holding.versions[self._at(path)] = self._replace(self.holding, self._at(path), data)

    def create(self, path: str, data: bytes) -> bool:
        try:
            self._put(self._at(path), data, None)
        except Changed:
            # The reply to a put that succeeded may have been lost, and the put repeated.
            return self.read(path) == data
        return True

    def append_line(self, path: str, line: bytes) -> None:
        before = self.read(path) or b""
        self.write(path, before[: before.rfind(b"\n") + 1] + line)

    def exists(self, path: str) -> bool:
        self.system.invalidate_cache()
        return bool(_retried(lambda: self.system.exists(self._at(path))))

    def names(self, path: str) -> list[str]:
        self.system.invalidate_cache()
        try:
            entries = _retried(lambda: self.system.ls(self._at(path), detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {entry.rstrip("/").rpartition("/")[2] for entry in entries}
        return sorted(name for name in names if name and not name.startswith(TEMPORARY))

    def sizes(self, path: str, temporary: bool = False, beginnings: Sequence[str] = ("",)) -> dict[str, int]:
        # The pages of a listing come one after the other, and the listings of several prefixes at the same time.
        prefixes = beginnings if self.scheme in EXTRAS else ("",)
        with ThreadPoolExecutor(max(1, len(prefixes))) as pool:
            listings = pool.map(lambda prefix: self._find(path, prefix), prefixes)
        objects = (item for listing in listings for item in listing.items())
        return {name[len(self.root) + 1 :]: int(info["size"] or 0) for name, info in objects}

    def delete(self, path: str) -> None:
        place = self._at(path)
        if self.holding is not None:
            if place not in self.holding.versions:
                version = self._version(place)
                if version is None:
                    return
                self._check_lease(self.holding, place)
                self.holding.versions[place] = version
            # Not every service can delete on a condition. A document that was emptied on one does not count any more.
            self.write(path, b"")
            del self.holding.versions[place]
        with suppress(FileNotFoundError):
            _retried(lambda: self.system.rm_file(place))

    def delete_tree(self, path: str) -> None:
        self.system.invalidate_cache()
        with suppress(FileNotFoundError):
            _retried(lambda: self.system.rm(self._at(path), recursive=True))

    def put_tree(self, staging: Path, path: str) -> None:
        local = sorted(file for file in staging.rglob("*") if file.is_file())
        remote = [self._at(f"{path}/{file.relative_to(staging).as_posix()}") for file in local]
        _retried(lambda: self.system.put([str(file) for file in local], remote))

    def get_tree(self, path: str, checksum: str) -> Path:
        key = (self._at(path), checksum)
        if key not in _copies:
            remote = sorted(self.sizes(path))
            folder = Path(tempfile.mkdtemp(dir=_scratch_folder().name))
            local = [folder / name.removeprefix(f"{path}/") for name in remote]
            for file in local:
                file.parent.mkdir(parents=True, exist_ok=True)
            _retried(lambda: self.system.get([self._at(name) for name in remote], [str(file) for file in local]))
            _copies[key] = folder
        return _copies[key]

    def get_ranges(self, path: str, ranges: Mapping[str, Iterable[tuple[int, int]]]) -> Path:
        folder = Path(tempfile.mkdtemp(dir=_scratch_folder().name))

        def fetch(name: str, start: int, stop: int) -> None:
            with open(folder / name, "r+b") as file:
                file.seek(start)
                file.write(self._cat(self._at(f"{path}/{name}"), start=start, end=stop))

        parts = [(name, *part) for name, parts in ranges.items() for part in parts]
        for name in ranges:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        with ThreadPoolExecutor(PARALLEL_RANGES) as pool:
            list(pool.map(fetch, *zip(*parts, strict=True)))
        return folder

    def epochs(self) -> list[int]:
        return []

    def take(self, epoch: int, path: str, expected: bytes | None, document: bytes, token: str) -> Self | None:
        place = self._at(path)
        version = None if expected is None else self._version(place)
        # The version was read before the content: if the put below succeeds, the content had this version.
        if self.read(path) != expected or (expected is not None and version is None):
            return None
        with suppress(Changed):
            self._put(place, document, version)
        # What others wrote after this listing changes the versions in it, and what earlier holders wrote before is
        # part of what this holder takes over, provided that it held the lease when the listing was made.
        versions = conditional(self.system).listed(self._find(""))
        if self.read(path) != document:
            return None
        return replace(self, holding=_Holding(place, token.encode(), versions))

    def leave(self) -> None:
        pass

    def _replace(self, holding: _Holding, place: str, data: bytes) -> str:
        """Writes an object as the holder of the lease, and returns its new version."""
        expected = holding.versions.get(place)
        for _ in range(CONFLICTS):
            try:
                return self._put(place, data, expected)
            except Changed:
                expected = self._version(place)
                # The reply to a put that succeeded may have been lost, and the put repeated.
                if expected is not None and self._cat(place) == data:
                    return expected
            self._check_lease(holding, place)
        raise LeaseLost(f"other processes keep writing {place}, although this one holds the lease of {self.uri}")

    def _check_lease(self, holding: _Holding, place: str) -> None:
        """Raises `LeaseLost` if the lease is lost. What a later holder writes differs from versions read before."""
        lease = None if place == holding.lease else self._cat(holding.lease)
        if lease is None or holding.token not in lease:
            raise LeaseLost(f"another process has taken over {self.uri}: {place} was not written")

    def _put(self, place: str, data: bytes, expected: str | None) -> str:
        return _retried(lambda: conditional(self.system).put(place, data, expected))

    def _version(self, place: str) -> str | None:
        self.system.invalidate_cache()
        try:
            info = _retried(lambda: self.system.info(place))
        except FileNotFoundError:
            return None
        return conditional(self.system).listed({place: info}).get(place)

    def _find(self, path: str, prefix: str = "") -> Mapping[str, Info]:
        # The listings that fsspec caches would hide what other processes have written since.
        self.system.invalidate_cache()
        begins = {"prefix": prefix} if prefix else {}
        found: Mapping[str, Info] = _retried(lambda: self.system.find(self._at(path), detail=True, **begins))
        return found

    def _cat(self, place: str, **options: int) -> bytes:
        options = _READ_OPTIONS.get(self.scheme, {}) | options
        return bytes(_retried(lambda: self.system.cat_file(place, **options)))

    def _cat_many(self, places: Sequence[str]) -> list[Any]:
        """Returns the content of each object, or the exception of its request; one request each, many at a time."""
        from fsspec.asyn import sync

        options = _READ_OPTIONS.get(self.scheme, {})

        async def read_all() -> list[Any]:
            limit = asyncio.Semaphore(PARALLEL_READS)

            async def read(place: str) -> Any:
                async with limit:
                    return await self.system._cat_file(place, **options)

            return await asyncio.gather(*map(read, places), return_exceptions=True)

        contents: list[Any] = sync(self.system.loop, read_all)
        return contents

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}".rstrip("/")


def _retried(request: Callable[[], T]) -> T:
    """Returns the result of a request, which is repeated for a minute while the storage is unavailable."""
    start, pause = time.monotonic(), 0.1
    while True:
        try:
            return request()
        except Exception as error:
            if not _is_transient(error) or time.monotonic() - start > OUTAGE_SECONDS:
                raise
            log.warning("the storage did not answer, and is asked again: %s: %s", type(error).__name__, error)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _is_transient(error: Exception) -> bool:
    """Returns whether the same request may succeed later: the service was unreachable, overloaded or broken."""
    code = getattr(error, "code", None) or getattr(error, "status_code", None)
    answer = getattr(error.__cause__, "response", None)  # of botocore a dictionary, of Azure an object
    metadata = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    code = code or metadata.get("HTTPStatusCode") or getattr(answer, "status_code", None)
    if str(code).isdigit():
        return int(str(code)) in (408, 429) or int(str(code)) >= 500
    if isinstance(error, _PERMANENT):
        return False
    names = {kind.__name__ for kind in type(error).__mro__}
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, (OSError, TimeoutError)) or "HTTPClientError" in names or package in _HTTP_CLIENTS


@cache
def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Folder of downloaded trees, removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="clt-ray-trees-")


def open_files(uri: str) -> Files:
    """Returns the files under a path or any URI that fsspec knows and is configured for; creates nothing yet."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in ("file", "local"):
        return LocalFiles(Path(rest if separator else uri).expanduser().absolute())
    from fsspec import get_filesystem_class
    from fsspec.core import url_to_fs

    try:
        get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:  # adlfs registers its schemes itself: without it they are not known
        remedy = f"pip install 'clt-ray[{EXTRAS[scheme]}]'" if scheme in EXTRAS else str(error)
        problem = Problem("storage", "", uri, f"{scheme}:// needs a package that is not installed", remedy)
        raise ConfigurationError([problem]) from error
    try:
        system, path = url_to_fs(uri, **_OPTIONS.get(scheme, {}))
    except ValueError as error:
        raise ConfigurationError([Problem("storage", "", uri, str(error))]) from error
    return ObjectFiles(system, path.rstrip("/"), scheme)
