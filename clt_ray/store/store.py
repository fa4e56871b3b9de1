"""All runs of a storage location."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from clt_ray.store.errors import StoreError
from clt_ray.store.files import open_files
from clt_ray.store.lease import LEASE, STALE_SECONDS, Clock, Lease, acquire, is_live
from clt_ray.store.run_dir import RunDir, decode_document
from clt_ray.sweep.plan import MISSING, RunStatus

RUNS = "runs"
LEASES = "leases"
RESULT, STATUS = "result.json", "status.json"

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Store:
    """Run directories under `<uri>/runs/`."""

    def __init__(self, uri: str, clock: Clock = time.time) -> None:
        """Open a store; nothing is created before the first write.

        Args:
            uri: A local path, or any URI that fsspec knows (`gs://bucket/path`).
            clock: Unix seconds.
        """
        self._files, self._clock = open_files(uri), clock

    @property
    def uri(self) -> str:
        """Absolute path or URI of the store."""
        return self._files.uri

    def run_dir(self, run_id: str) -> RunDir:
        """The directory of a run, whether it exists yet or not."""
        return RunDir(self._files.under(f"{RUNS}/{_plain(run_id)}"), self._clock)

    def run_ids(self) -> list[str]:
        """Runs that have a directory, sorted."""
        return self._files.names(RUNS)

    def states(self, run_ids: Sequence[str]) -> dict[str, RunStatus]:
        """What is known of each run; costs one listing, and three small reads per run that has a directory."""
        started = set(self.run_ids())
        known = [run_id for run_id in dict.fromkeys(run_ids) if run_id in started]
        paths = [f"{RUNS}/{run_id}/{name}" for run_id in known for name in (RESULT, STATUS, LEASE)]
        contents = self._files.read_many(paths)
        return {run_id: self._state(run_id, contents) if run_id in started else MISSING for run_id in run_ids}

    def lease(self, name: str, stale_seconds: float = STALE_SECONDS) -> Lease:
        """Take an exclusive right that is no run's.

        Raises:
            LeaseHeld: Somebody else has it.
        """
        return acquire(self._files.under(f"{LEASES}/{_plain(name)}"), clock=self._clock, stale_seconds=stale_seconds)

    def _state(self, run_id: str, contents: Mapping[str, bytes]) -> RunStatus:
        folder = f"{RUNS}/{run_id}"
        status = _readable(contents.get(f"{folder}/{STATUS}")) or {}
        step, total = int(status.get("step") or 0), status.get("total_steps")
        if _readable(contents.get(f"{folder}/{RESULT}")) is not None:
            return RunStatus("finished", step, total)
        if is_live(contents.get(f"{folder}/{LEASE}"), self._clock()):
            return RunStatus("running", step, total)
        if status.get("state") == "failed":
            return RunStatus("failed", step, total, error_line(status))
        return RunStatus("interrupted", step, total)


def error_line(status: Mapping[str, Any]) -> str:
    """What a failed run's status.json says went wrong, in one line that begins with the kind of error."""
    error = status.get("error") or {}
    kind, message = error.get("type") or "Error", str(error.get("message") or "").strip()
    line = message.splitlines()[0] if message else "no message"
    return line if line.startswith(kind) else f"{kind}: {line}"


def _readable(data: bytes | None) -> dict[str, Any] | None:
    try:
        return None if data is None else decode_document(data, "")
    except StoreError:
        return None


def _plain(name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a run")
    return name
