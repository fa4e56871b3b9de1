"""The directory of one run: JSON documents, text files, metric logs, directory trees, and the lease to write them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeGuard, TypeVar

from clt_ray.store import trees
from clt_ray.store.documents import (
    RUN,
    Document,
    FileRecord,
    JudgeDocument,
    LeaseDocument,
    ResultDocument,
    StatusDocument,
    StopDocument,
    WaitDocument,
    decode_run,
    encode_run,
)
from clt_ray.store.files import Files
from clt_ray.store.lease import HEARTBEAT_SECONDS, STALE_SECONDS, Clock, Lease, Watch, acquire
from clt_ray.store.logs import LogBatches
from clt_ray.store.metrics import MetricPoint, decode_log, sound_part, stamped
from clt_ray.store.owner import Owner
from clt_ray.sweep.run import RunSpec

D = TypeVar("D", bound=Document)
Log = Literal["train", "validation", "interference"]
NO_RESULT = b'{"no_result_before_epoch":'
"""Begins a result.json that a holder who takes over writes to an object store, so that a former one creates none."""
LOGS: tuple[Log, ...] = ("train", "validation", "interference")


class RunDir:
    """Everything stored of one run.

    Names are paths inside the directory. Reading needs no lease. Once `acquire_lease` has been called, every
    write of this object raises `LeaseLost` as soon as another process has taken the run over, and changes nothing.
    """

    def __init__(self, files: Files, clock: Clock = time.time, timer: Clock = time.monotonic) -> None:
        """Describes the directory at the root of `files`, which need not exist yet.

        `clock` gives Unix seconds for what is written, and `timer` seconds for how long another's lease is watched.
        """
        self._files, self._clock = files, clock
        self._watch = Watch(timer)
        self._lease: Lease | None = None
        self._batches: LogBatches | None = None

    @property
    def uri(self) -> str:
        return self._files.uri

    def exists(self, name: str) -> bool:
        """Returns whether there is a file or a folder of this name."""
        return self._files.exists(_checked(name))

    def names(self, name: str = "") -> list[str]:
        """Returns the sorted names directly inside a folder; none when there is no such folder."""
        return self._files.names(_checked(name))

    def run(self) -> RunSpec | None:
        """Returns run.json, None before a process has started the run; damaged documents raise `StoreError`."""
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
        data = self._files.read(ResultDocument.FILE)
        if data is None or data.startswith(NO_RESULT):
            return None
        return ResultDocument.decode(data, f"{self.uri}/{ResultDocument.FILE}")

    def write_result(self, document: ResultDocument) -> None:
        """Replaces result.json, after which the run is finished."""
        self._replace(document.FILE, document.encode())

    def is_finished(self) -> bool:
        """Returns whether there is a result. A damaged one counts as none, since executing the run writes it again."""
        return ResultDocument.decode_if_sound(self._files.read(ResultDocument.FILE)) is not None

    def request_stop(self, reason: str, claim: str | None = None) -> None:
        """Asks the attempt that executes the run to write a checkpoint and to end; needs no lease.

        The attempt notices within about two seconds and ends after the step that it is taking. With a `claim`, only an
        attempt that holds the lease with this claim is asked.
        """
        if claim is not None and getattr(self._lease_document(), "claim", None) != claim:
            return
        self._files.write(StopDocument.FILE, StopDocument(reason=reason, requested=self._clock()).encode())

    def stop_request(self) -> StopDocument | None:
        """Returns stop.json, None while nobody has asked the running attempt to stop."""
        return StopDocument.decode_if_sound(self._files.read(StopDocument.FILE))

    def note_wait(self, resources: str, since: float) -> None:
        """Replaces waiting.json: the run waits for these resources since that time (Unix seconds); needs no lease."""
        document = WaitDocument(resources=resources, since=since, updated=self._clock())
        self._files.write(document.FILE, document.encode())

    def end_wait(self) -> None:
        """Deletes waiting.json, if there is one."""
        self._files.delete(WaitDocument.FILE)

    def judge(self) -> JudgeDocument | None:
        """Returns judge/judge.json, None while no judge has rated the run's answers."""
        return self._read(JudgeDocument)

    def write_judge(self, document: JudgeDocument) -> None:
        """Replaces judge/judge.json."""
        self._replace(document.FILE, document.encode())

    def read_text(self, name: str) -> str:
        """Returns the content of a text file; raises `FileNotFoundError` without one."""
        data = self._files.read(_checked(name))
        if data is None:
            raise FileNotFoundError(f"{self.uri}/{name}")
        return data.decode()

    def read_texts(self, names: Iterable[str]) -> dict[str, str]:
        """Returns the contents of those text files that exist, by name; reads an object store in parallel."""
        return {name: data.decode() for name, data in self._files.read_many(map(_checked, names)).items()}

    def write_text(self, name: str, text: str) -> None:
        """Replaces a text file atomically, like a document."""
        self._replace(_checked(name), text.encode())

    def append_metrics(self, log: Log, step: int, metrics: Mapping[str, float]) -> None:
        """Appends metrics of an optimizer step to a log.

        Returns when the point is durable, except for points of `train` in an object store: the holder of the lease
        writes them in batches, at the latest before the next point of another log or the next tree; see `logs.py`.
        """
        path, line = f"{log}.jsonl", MetricPoint(step, metrics, self._clock()).encode()
        with self._writing() as files:
            if self._batches is None:
                files.append_line(path, line)
                return
            self._batches.append(path, line)
            if log != "train":
                self._batches.flush()

    def metrics(self, log: Log) -> list[MetricPoint]:
        """Returns all points of a log in the order of recording; see `metrics.decode_log`."""
        return decode_log(self._files.read(f"{log}.jsonl") or b"", f"{self.uri}/{log}.jsonl")

    def repair_metrics(self) -> None:
        """Deletes the first damaged line of each log and all lines after it, which training then records again."""
        with self._writing() as files:
            if self._batches is not None:
                self._batches.forget()
            for log in LOGS:
                content = files.read(f"{log}.jsonl") or b""
                sound = sound_part(content)
                if sound != content:
                    files.write(f"{log}.jsonl", sound)

    def truncate_metrics(self, after_step: int) -> None:
        """Deletes the points of later steps from all logs, since training resumes from `after_step`."""
        with self._writing() as files:
            if self._batches is not None:
                self._batches.forget()
            for log in LOGS:
                points = self.metrics(log)
                kept = [point for point in points if point.step <= after_step]
                if len(kept) < len(points):
                    files.write(f"{log}.jsonl", b"".join(point.encode() for point in kept))

    def commit_tree(self, staging: Path, name: str) -> None:
        """Moves a local folder into the directory as tree `name`, replacing an older tree; see `trees.commit`."""
        with self._writing() as files:
            self._flush()
            trees.commit(files, staging, _checked(name), self._epoch())

    def begin_tree(self, name: str) -> str:
        """Deletes tree `name` and returns the folder of a new one, which the holder of the lease names to others."""
        with self._writing() as files:
            return trees.begin(files, _checked(name), self._epoch())

    def put_part(self, staging: Path, place: str) -> dict[str, FileRecord]:
        """Moves one machine's files of a tree into the folder `place`, and returns their records by path.

        Machines without the lease may do this, since the tree does not count before the holder calls `seal_tree`, and
        the folder belongs to the holder that has returned it from `begin_tree`.
        """
        with self._writing() as files:
            return trees.put_part(files, staging, _checked(place))

    def seal_tree(self, place: str, records: Mapping[str, FileRecord]) -> None:
        """Declares the tree in a folder complete after all machines have put their parts, with all their records."""
        with self._writing() as files:
            self._flush()
            trees.seal(files, _checked(place), records, self._epoch())

    def complete_trees(self, prefix: str) -> list[str]:
        """Returns the names of the trees that begin with `prefix` and whose files have their recorded sizes."""
        return trees.complete(self._files, _checked(prefix), self._base())

    def open_tree(self, name: str, ranges: trees.Ranges | None = None) -> Path:
        """Returns a local folder with the files of a tree, or some ranges of them, after comparing their hashes.

        The folder is the tree itself or, when the store is remote, a copy that exists as long as this process. It must
        not be written to. A damaged tree raises `TornTreeError`.
        """
        return trees.open_tree(self._files, _checked(name), self._base(), ranges)

    def delete_tree(self, name: str) -> None:
        with self._writing() as files:
            trees.delete(files, _checked(name), self._epoch())

    def delete_file(self, name: str) -> None:
        """Deletes a single file of no tree, such as one that a process left when it died."""
        with self._writing() as files:
            files.delete(_checked(name))

    def acquire_lease(
        self,
        owner: Owner | None = None,
        clock: Clock | None = None,
        heartbeat_seconds: float | None = HEARTBEAT_SECONDS,
        claim: str | None = None,
    ) -> Lease:
        """Acquires the right to write this directory; arguments and errors as `lease.acquire`.

        Repeated calls on one object watch the lease of another process, and take it over once it is stale.
        """
        clock = clock or self._clock
        lease = acquire(self._files, owner, clock, heartbeat_seconds, STALE_SECONDS, claim, self._watch)
        try:
            self._take_over(lease)
        except BaseException:
            lease.release()
            raise
        self._lease = lease
        return lease

    def _take_over(self, lease: Lease) -> None:
        """Makes what counts in the directory the new holder's own, as `lease.py` explains."""
        with lease.writing() as files:
            if not files.appends:
                self._batches = LogBatches(self._files.read, files.write)
                lease.before_release = self._batches.close
            if self.is_finished():
                return
            if not files.appends and lease.is_take_over:
                files.write(ResultDocument.FILE, NO_RESULT + b" %d}\n" % lease.epoch)
            paths = [f"{log}.jsonl" for log in LOGS]
            for path, content in self._files.read_many(paths).items():
                files.write(path, content if files.appends else stamped(content, lease.epoch))
            trees.adopt(files, lease.base, lease.epoch)
        lease.beat(base=lease.epoch)
        lease.check()

    def _base(self) -> int:
        if self._is_fenced(self._lease):
            return self._lease.base
        document = self._lease_document()
        return (document.base or 0) if document is not None else 0

    def _lease_document(self) -> LeaseDocument | None:
        return LeaseDocument.decode_if_sound(self._files.read(LeaseDocument.FILE))

    def _epoch(self) -> int | None:
        """Returns the epoch of what is written now; None in a directory of which nobody has ever held the lease."""
        return self._lease.epoch if self._is_fenced(self._lease) else self._base() or None

    def _flush(self) -> None:
        if self._batches is not None:
            self._batches.flush()

    def _read(self, kind: type[D]) -> D | None:
        data = self._files.read(kind.FILE)
        return None if data is None else kind.decode(data, f"{self.uri}/{kind.FILE}")

    def _replace(self, name: str, data: bytes) -> None:
        with self._writing() as files:
            files.write(name, data)

    @contextmanager
    def _writing(self) -> Iterator[Files]:
        """Yields the files to write to; an object that has lost its lease writes no more, even after the release."""
        if self._is_fenced(self._lease):
            with self._lease.writing() as files:
                yield files
        else:
            yield self._files

    @staticmethod
    def _is_fenced(lease: Lease | None) -> TypeGuard[Lease]:
        return lease is not None and (not lease.released or lease.lost.is_set())


def _checked(name: str) -> str:
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise ValueError(f"{name!r} is not a path inside a run directory: it may neither start with `/` nor hold `..`")
    return name
