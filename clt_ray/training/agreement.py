"""The processes of a run compare what each of them has read, before any of them computes with it.

Every process of a run reads the rows, the weights and the checkpoint by itself. One that reads something else, because
its host has an edited file, an older package or a disk that fails, would train on other rows than its peers, or wait
for them for ever. So all of them report what they have read, and each compares all reports:

    process 0 on host-a    training rows 5c1f...    continues from step 400
    process 1 on host-b    training rows 9d04...    continues from step 400     -> `DisagreementError` in both
"""

import hashlib
import socket
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from clt_ray.data.formatting import Encoded
from clt_ray.errors import DisagreementError
from clt_ray.training.backends.base import Backend

SHOWN_PROCESSES = 4
"""Processes of a group that a message names; it counts the others."""

T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """What one process has read."""

    host: str
    facts: Mapping[str, str]
    """What has to be equal in all processes: its name, and the value that this process has found."""
    error: str | None = None
    """The error that has kept the process from reading it."""


def agreed(backend: Backend, read: Callable[[], T], facts: Callable[[T], Mapping[str, str]]) -> T:
    """Returns what `read` returns, once it has succeeded in every process of the run with equal facts.

    All processes call this together. A run of one process has nothing to compare.

    Raises:
        DisagreementError: The facts of two processes differ, or `read` has failed in another process. The message names
            the processes and their hosts.
        Exception: Whatever `read` has raised in this process; the others have learnt of it.
    """
    if backend.world_size == 1:
        return read()
    host = socket.gethostname()
    try:
        result = read()
        report = Report(host, dict(facts(result)))
    except Exception as error:
        # The error of this process is the one to see, also where the others have ended in the meantime.
        with suppress(Exception):
            backend.gather(Report(host, {}, f"{type(error).__name__}: {error}"))
        raise
    require_equal(backend.gather(report))
    return result


def require_equal(reports: Sequence[Report]) -> None:
    """Compares the reports of all processes, in the order of their ranks.

    Raises:
        DisagreementError: A process has failed, or the facts differ. The smallest group of processes is named first.
    """
    places = [f"process {rank} on {report.host}" for rank, report in enumerate(reports)]
    failed = [f"{place}: {report.error}" for place, report in zip(places, reports, strict=True) if report.error]
    if failed:
        raise DisagreementError("\n    ".join(["a process of the run has failed:", *failed]))
    different = []
    for name in reports[0].facts:
        groups: dict[str, list[str]] = {}
        for place, report in zip(places, reports, strict=True):
            groups.setdefault(str(report.facts.get(name)), []).append(place)
        if len(groups) > 1:
            values = sorted(groups.items(), key=lambda group: len(group[1]))
            different.append(f"{name}: {'; '.join(f'{_listed(group)}: {value}' for value, group in values)}")
    if different:
        raise DisagreementError("\n    ".join(["the processes of the run have read different things:", *different]))


def _listed(places: Sequence[str]) -> str:
    more = len(places) - SHOWN_PROCESSES
    return ", ".join(places[:SHOWN_PROCESSES]) + (f" and {more} more" if more > 0 else "")


def rows_digest(rows: Iterable[Encoded]) -> str:
    """Returns a digest of encoded rows in their order."""
    digest = hashlib.sha256()
    for row in rows:
        for tokens in (row.input_ids, row.labels):
            digest.update(len(tokens).to_bytes(8, "little"))
            digest.update(array("q", tokens).tobytes())
    return digest.hexdigest()[:16]


def digest_of(value: Any) -> str:
    """Returns a digest of a value that its `repr` describes completely."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
