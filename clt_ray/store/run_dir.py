"""The directory of one run: JSON documents, texts, metric logs, trees, and the lease on it all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from clt_ray.store import trees
from clt_ray.store.errors import StoreError
from clt_ray.store.files import Files
from clt_ray.store.lease import HEARTBEAT_SECONDS, STALE_SECONDS, Clock, Lease, acquire
from clt_ray.store.metrics import MetricPoint, decode_log
from clt_ray.store.owner import Owner
from clt_ray.store.trees import FileRecord

Log = Literal["train", "validation", "interference"]
LOGS: tuple[Log, ...] = ("train", "validation", "interference")


class RunDir:
    """What is remembered of one run.

    Names are paths inside the directory. Reading needs no lease. Once `acquire_lease` has been called, every
    write of this object raises `LeaseLost` as soon as another process has taken the run over.
    """

    def __init__(self, files: Files, clock: Clock = time.time) -> None:
        self._files, self._clock = files, clock
        self._lease: Lease | None = None

    @property
    def uri(self) -> str:
        """Path or URI of the directory."""
        return self._files.uri

    def exists(self, name: str) -> bool:
        """Whether there is a file or a folder of this name."""
        return self._files.exists(_checked(name))

    def names(self, name: str = "") -> list[str]:
        """Names directly in a folder, sorted; none when there is no such folder."""
        return self._files.names(_checked(name))

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A document, None when there is none.

        Raises:
            StoreError: The file is not a JSON object.
        """
        data = self._files.read(_checked(name))
        return None if data is None else decode_document(data, f"{self.uri}/{name}")

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        """Replace a document: a reader, now or after a crash, sees the old one or this one, whole."""
        self.write_text(name, json.dumps(document, ensure_ascii=False, indent=1) + "\n")

    def read_text(self, name: str) -> str:
        """A text file.

        Raises:
            FileNotFoundError: There is none.
        """
        data = self._files.read(_checked(name))
        if data is None:
            raise FileNotFoundError(f"{self.uri}/{name}")
        return data.decode()

    def read_texts(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some text files that exist, by name; read in parallel from an object store."""
        return {name: data.decode() for name, data in self._files.read_many(map(_checked, names)).items()}

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file, whole like `write_json`."""
        self._may_write()
        self._files.write(_checked(name), text.encode())

    def append_metrics(self, log: Log, step: int, metrics: Mapping[str, float]) -> None:
        """Add what was measured at an optimizer step; durable once this has returned."""
        self._may_write()
        self._files.append_line(f"{log}.jsonl", MetricPoint(step, metrics, self._clock()).encode())

    def metrics(self, log: Log) -> list[MetricPoint]:
        """All points of a log in the order they were recorded.

        Raises:
            StoreError: A line other than a torn last one is not a point.
        """
        return decode_log(self._files.read(f"{log}.jsonl") or b"", f"{self.uri}/{log}.jsonl")

    def truncate_metrics(self, after_step: int) -> None:
        """Forget what the logs hold of later steps, since training goes on from `after_step`."""
        self._may_write()
        for log in LOGS:
            points = self.metrics(log)
            kept = [point for point in points if point.step <= after_step]
            if len(kept) < len(points):
                self._files.write(f"{log}.jsonl", b"".join(point.encode() for point in kept))

    def commit_tree(self, staging: Path, name: str) -> None:
        """Bring a local folder in as tree `name`, in place of an older one; the local folder is gone then.

        Raises:
            ValueError: The folder is missing, is empty, or has something in it that is not a regular file.
        """
        self._may_write()
        trees.commit(self._files, staging, _checked(name))

    def put_part(self, staging: Path, name: str) -> dict[str, FileRecord]:
        """Bring one machine's files of tree `name` in; the local folder is gone then.

        Machines without the lease may do this, since nothing counts before the one that has it calls `seal_tree`.

        Returns:
            What the files are.

        Raises:
            ValueError: As `commit_tree`.
        """
        return trees.put_part(self._files, staging, _checked(name))

    def seal_tree(self, name: str, records: Mapping[str, FileRecord]) -> None:
        """Declare a tree whole whose machines have all brought their parts; `records` are those of all files."""
        self._may_write()
        trees.seal(self._files, _checked(name), records)

    def complete_trees(self, prefix: str) -> list[str]:
        """Names of the committed trees that begin with `prefix` and whose files have their recorded sizes."""
        return trees.complete(self._files, _checked(prefix))

    def open_tree(self, name: str) -> Path:
        """A local folder with a tree's files, verified: the tree itself, or a copy that lives as long as this
        process when the store is remote. Not to be written to.

        Raises:
            TornTreeError: Names the first file that is missing, changed, or not the tree's.
        """
        return trees.open_tree(self._files, _checked(name))

    def delete_tree(self, name: str) -> None:
        """Remove a tree; it stops counting before its first file goes."""
        self._may_write()
        trees.delete(self._files, _checked(name))

    def size(self, name: str) -> int:
        """Bytes of all files of a folder."""
        return sum(self._files.sizes(_checked(name)).values())

    def acquire_lease(
        self,
        owner: Owner | None = None,
        clock: Clock | None = None,
        heartbeat_seconds: float | None = HEARTBEAT_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> Lease:
        """Take the right to write this directory; arguments as `lease.acquire`.

        Raises:
            LeaseHeld: Somebody else has it.
        """
        self._lease = acquire(self._files, owner, clock or self._clock, heartbeat_seconds, stale_seconds)
        return self._lease

    def _may_write(self) -> None:
        if self._lease is not None and not self._lease.released:
            self._lease.check()


def decode_document(data: bytes, uri: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        StoreError: It is none.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise StoreError(f"{uri}: not JSON ({error}); the store writes only whole documents") from error
    if not isinstance(document, dict):
        raise StoreError(f"{uri}: holds a {type(document).__name__}, not a JSON object")
    return document


def _checked(name: str) -> str:
    """Keep names inside the directory."""
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise ValueError(f"{name!r} is not a name inside a run directory")
    return name
