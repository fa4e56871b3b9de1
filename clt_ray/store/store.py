"""The run directories of one storage location."""

import re
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from clt_ray.store.documents import Document, LeaseDocument, ResultDocument, StatusDocument, WaitDocument
from clt_ray.store.lease import STALE_SECONDS, Clock, Lease, Watch, acquire
from clt_ray.store.objects import open_files
from clt_ray.store.run_dir import RunDir
from clt_ray.sweep.plan import MISSING, RunStatus

RUNS = "runs"
LEASES = "leases"
SCRATCH = "ray"
"""Folder of Ray's own state, from which nothing is read after the sweep that made it has ended."""

SHORTEST_RESULT_BYTES = 100
"""A result.json of an object store that is shorter is a placeholder; see `run_dir.NO_RESULT`."""

NO_MESSAGE = "Error: no message"
"""Error line of a failed run whose status names no error."""

D = TypeVar("D", bound=Document)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Store:
    """Run directories under `<uri>/runs/`."""

    def __init__(self, uri: str, clock: Clock = time.time, timer: Clock = time.monotonic) -> None:
        """Opens a store at a local path or any URI that fsspec knows (`gs://bucket/path`), and creates nothing yet.

        `clock` gives Unix seconds, `timer` seconds that are counted by this process alone.
        """
        self._files, self._clock, self._timer = open_files(uri), clock, timer
        self._watches: defaultdict[str, Watch] = defaultdict(lambda: Watch(timer))

    @property
    def uri(self) -> str:
        """Absolute path or URI of the store."""
        return self._files.uri

    def run_dir(self, run_id: str) -> RunDir:
        """Returns the directory of a run, which need not exist yet."""
        return RunDir(self._files.under(f"{RUNS}/{_plain(run_id)}"), self._clock, self._timer)

    def run_ids(self) -> list[str]:
        """Returns the sorted ids of all runs that have a directory."""
        return self._files.names(RUNS)

    def states(self, run_ids: Sequence[str], sizes: Mapping[str, int] | None = None) -> dict[str, RunStatus]:
        """Returns the state of each run by its id.

        Costs one listing, one small read for each finished run, and three or four for each other run that has a
        directory; reads of an object store are parallel. A damaged document counts as missing, since executing the run
        writes it again. Whether a run is running is judged by the wall clocks of two machines, without waiting for a
        heartbeat: it is for display, and only `acquire_lease` decides who may write.

        With `sizes`, which `sizes()` has returned, only documents that exist are read. An object store replaces objects
        whole, so there a result that is long enough counts as sound without being read, which is for display as well.
        """
        started = self.run_ids() if sizes is None else {path.split("/")[1] for path in sizes}
        states = {run_id: MISSING for run_id in run_ids}
        known = [run_id for run_id in states if run_id in started]
        if sizes is None or self._files.appends:
            results = self.documents(known, ResultDocument, sizes)
            finished = {run_id: RunStatus("finished", result.steps, result.steps) for run_id, result in results.items()}
        else:
            long = [run_id for run_id in known if sizes.get(_path(run_id, ResultDocument), 0) >= SHORTEST_RESULT_BYTES]
            finished = dict.fromkeys(long, RunStatus("finished"))
        states |= finished
        others = [run_id for run_id in known if run_id not in finished]
        statuses = self.documents(others, StatusDocument, sizes)
        leases = self.documents(others, LeaseDocument, sizes)
        now = self._clock()
        states |= {run_id: _state(statuses.get(run_id), leases.get(run_id), now) for run_id in others}
        waiting = [run_id for run_id in others if states[run_id].kind != "running"]
        for run_id, wait in self.documents(waiting, WaitDocument, sizes).items():
            text = wait.text(now)
            if text is not None:
                states[run_id] = replace(states[run_id], error=text, waits=True)
        return states

    def sizes(self, folder: str = RUNS) -> dict[str, int]:
        """Returns the size in bytes of every file of a folder of the store, by path, temporary ones included.

        Costs one listing of the folder, and in an object store another one with subfolders for each first letter, all
        at the same time.
        """
        beginnings = sorted({name[0] for name in self._files.names(folder)})
        return self._files.sizes(folder, temporary=True, beginnings=beginnings)

    def delete_run(self, run_id: str) -> None:
        """Deletes the directory of a run; raises `LeaseHeld` while a process executes the run."""
        with self.run_dir(run_id).acquire_lease():
            # Without its result first, an interrupted deletion does not leave a finished run that lacks files.
            self._files.delete(f"{RUNS}/{run_id}/{ResultDocument.FILE}")
            self._files.delete_tree(f"{RUNS}/{run_id}")

    def delete_scratch(self, folder: str = SCRATCH) -> None:
        """Deletes what Ray keeps in the store while sweeps execute, or a folder inside it."""
        self._files.delete_tree(folder)

    def lease(self, name: str, stale_seconds: float = STALE_SECONDS) -> Lease:
        """Acquires a lease that belongs to no run, such as the right to update MLflow; errors as `lease.acquire`."""
        files, watch = self._files.under(f"{LEASES}/{_plain(name)}"), self._watches[name]
        return acquire(files, clock=self._clock, stale_seconds=stale_seconds, watch=watch)

    def documents(self, run_ids: Iterable[str], kind: type[D], existing: Container[str] | None = None) -> dict[str, D]:
        """Returns a document of each run that has a sound one, by run id; reads an object store in parallel.

        With `existing`, only files whose paths it holds are read.
        """
        paths = {run_id: _path(run_id, kind) for run_id in run_ids}
        contents = self._files.read_many(path for path in paths.values() if existing is None or path in existing)
        documents = {run_id: kind.decode_if_sound(contents.get(path)) for run_id, path in paths.items()}
        return {run_id: document for run_id, document in documents.items() if document is not None}


def _state(status: StatusDocument | None, lease: LeaseDocument | None, now: float) -> RunStatus:
    step, total_steps = (status.step, status.total_steps) if status is not None else (0, None)
    if lease is not None and lease.looks_live(now):
        return RunStatus("running", step, total_steps)
    if status is not None and status.state == "failed":
        return RunStatus("failed", step, total_steps, status.error.line if status.error is not None else NO_MESSAGE)
    if status is None:
        # Nothing was recorded of the run yet; its directory has only what somebody noted about it.
        return MISSING
    stopped = f"stopped: {status.stopped}" if status.stopped else None
    return RunStatus("interrupted", step, total_steps, stopped)


def _path(run_id: str, kind: type[Document]) -> str:
    return f"{RUNS}/{_plain(run_id)}/{kind.FILE}"


def _plain(name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a run: it may hold letters, digits, `.`, `_` and `-`")
    return name
