"""The directory of one run: JSON documents, texts, metric logs, trees, and the lease on it all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from clt_ray.store import trees
from clt_ray.store.documents import (
    RUN,
    Document,
    FileRecord,
    JudgeDocument,
    ResultDocument,
    StatusDocument,
    decode_run,
    encode_run,
)
from clt_ray.store.files import Files
from clt_ray.store.lease import HEARTBEAT_SECONDS, STALE_SECONDS, Clock, Lease, acquire
from clt_ray.store.metrics import MetricPoint, decode_log
from clt_ray.store.owner import Owner
from clt_ray.sweep.run import RunSpec

D = TypeVar("D", bound=Document)
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

    def run(self) -> RunSpec | None:
        """Returns the run's specification from run.json, None before a process has started the run.

        Raises:
            StoreError: The file is not a run of this release. So for the other documents below.
        """
        data = self._files.read(RUN)
        return None if data is None else decode_run(data, f"{self.uri}/{RUN}")

    def write_run(self, run: RunSpec) -> None:
        """Replaces run.json. A reader, now or after a crash, sees the old document or the new one, whole."""
        self._replace(RUN, encode_run(run))

    def status(self) -> StatusDocument | None:
        """Returns status.json, None before a process has started the run."""
        return self._read(StatusDocument)

    def write_status(self, document: StatusDocument) -> None:
        """Replaces status.json."""
        self._replace(document.FILE, document.encode())

    def result(self) -> ResultDocument | None:
        """Returns result.json, None until the run is finished."""
        return self._read(ResultDocument)

    def write_result(self, document: ResultDocument) -> None:
        """Replaces result.json, after which the run is finished."""
        self._replace(document.FILE, document.encode())

    def is_finished(self) -> bool:
        """Returns whether there is a result.json, which is written last; costs less than reading it."""
        return self.exists(ResultDocument.FILE)

    def judge(self) -> JudgeDocument | None:
        """Returns judge/judge.json, None while no judge has rated the run's answers."""
        return self._read(JudgeDocument)

    def write_judge(self, document: JudgeDocument) -> None:
        """Replaces judge/judge.json."""
        self._replace(document.FILE, document.encode())

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
        """Replaces a text file, whole like a document."""
        self._replace(_checked(name), text.encode())

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

    def _read(self, kind: type[D]) -> D | None:
        data = self._files.read(kind.FILE)
        return None if data is None else kind.decode(data, f"{self.uri}/{kind.FILE}")

    def _replace(self, name: str, data: bytes) -> None:
        self._may_write()
        self._files.write(name, data)

    def _may_write(self) -> None:
        if self._lease is not None and not self._lease.released:
            self._lease.check()


def _checked(name: str) -> str:
    """Keep names inside the directory."""
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise ValueError(f"{name!r} is not a name inside a run directory")
    return name
