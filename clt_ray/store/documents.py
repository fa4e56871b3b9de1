"""The JSON documents of a run directory: their fields, and how they are written and read.

    run.json                     RunSpec         the specification of the run
    status.json                  StatusDocument  the progress of the run, rewritten whenever training logs
    lease.json                   LeaseDocument   the process that may write the directory
    stop.json                    StopDocument    the request that the running attempt ends with a checkpoint
    checkpoints/*/COMPLETE.json  MarkerDocument  the files of a checkpoint, written after them
    waiting.json                 WaitDocument    what a run waits for that no process executes
    result.json                  ResultDocument  the outcome, written last: a run that has a result is finished
    judge/judge.json             JudgeDocument   the judge that rated the answers of the run

No other module knows the keys of these files: `RunDir`, `Lease` and `trees` write and read them through this module.
A file that does not match its class raises `StoreError`, which names the file and the key.

Keys are written in the order of the fields. Keys that a release adds are optional, and are left out while their value
is None, so that the documents of an older release are read, and written again, unchanged.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import TypeAdapter, ValidationError

from clt_ray.errors import CltRayError
from clt_ray.store.owner import Owner
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection

RUN = "run.json"

State = Literal["running", "failed", "finished"]

_LEFT_OUT_WHEN_NONE = frozenset(
    {
        "traceback",
        "updated",
        "total_steps",
        "peak_memory",
        "device_bytes",
        "claim",
        "epoch",
        "base",
        "stopped",
        "blocks",
    }
)


class StoreError(CltRayError):
    """A stored document that clt-ray cannot have written."""


class Document:
    """A JSON file that one frozen dataclass describes completely."""

    FILE: ClassVar[str]
    """Name of the file inside its directory."""

    def encode(self) -> bytes:
        """Returns the content of the file."""
        return (json.dumps(self._values(), ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes, uri: str) -> Self:
        """Returns the document that `encode` wrote; keys that this release does not know are ignored.

        Raises:
            StoreError: The content is not such a document.
        """
        try:
            return cast(Self, _adapter(cast(Any, cls)).validate_json(data, strict=True))
        except ValidationError as error:
            raise StoreError(f"{uri} is not a document that clt-ray has written: {_reason(error)}") from error

    @classmethod
    def decode_if_sound(cls, data: bytes | None) -> Self | None:
        """Returns the document, None where there is no file or it is damaged."""
        try:
            return None if data is None else cls.decode(data, cls.FILE)
        except StoreError:
            return None

    def _values(self) -> dict[str, Any]:
        return asdict(self, dict_factory=_without_absent)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, kw_only=True)
class ErrorRecord:
    """The error that ended an attempt of a run."""

    type: str
    """Name of the exception's class."""
    message: str
    permanent: bool
    """Whether repeating the run would fail in the same way."""
    traceback: str | None = None
    """Formatted traceback; None when the process was killed and could not write one."""

    @property
    def line(self) -> str:
        """The first line of the message, preceded by the kind of error."""
        message = self.message.strip()
        first = message.splitlines()[0] if message else "no message"
        return first if first.startswith(self.type) else f"{self.type}: {first}"


@dataclass(frozen=True, kw_only=True)
class StatusDocument(Document):
    """status.json: where the latest attempt of a run is."""

    FILE: ClassVar[str] = "status.json"

    state: State
    """`running` until the attempt has ended; a run whose process died stays `running` here."""
    attempt: int
    """Number of this attempt, counted from 1; 0 when no process of the run has started."""
    error: ErrorRecord | None = None
    """What ended a failed attempt; None in other states."""
    updated: float | None = None
    """When this was written, in Unix seconds; None in a failure that release 0.1 recorded for a killed process."""
    stage: str
    """`start`, `data`, `train` or `evaluate`."""
    step: int
    """Last optimizer step that was logged."""
    total_steps: int | None = None
    """Optimizer steps of the whole run; None in a failure that release 0.1 recorded for a killed process."""
    loss: float | None = None
    """Training loss at that step, in nats per token; None before the first log."""
    stopped: str | None = None
    """Why the attempt was asked to stop and has ended, in state `running`; None for any other attempt."""


@dataclass(frozen=True, kw_only=True)
class StopDocument(Document):
    """stop.json: asks the running attempt to write a checkpoint and to end. Anybody may write it.

    It concerns only the attempt that runs when it is written: an attempt deletes the requests of earlier ones.
    """

    FILE: ClassVar[str] = "stop.json"

    reason: str
    """Why, as a clause for people."""
    requested: float
    """When, in Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class WaitDocument(Document):
    """waiting.json: what a run that no process executes waits for. Whoever executes the sweep writes it.

    It is informative only, so it needs no lease, and it is believed for `BELIEVED_SECONDS`.
    """

    FILE: ClassVar[str] = "waiting.json"
    BELIEVED_SECONDS: ClassVar[float] = 300.0

    resources: str
    """What the run waits for, such as `1 worker with 1 CPU`."""
    since: float
    """When the wait began, in Unix seconds."""
    updated: float
    """When the writer last confirmed the wait, in Unix seconds."""

    def text(self, now: float) -> str | None:
        """Returns the wait for people at `now` (Unix seconds), None where the writer has not confirmed it lately."""
        if now - self.updated > self.BELIEVED_SECONDS:
            return None
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"waits for {self.resources} since {began}"


@dataclass(frozen=True, kw_only=True)
class StageSeconds:
    """Wall-clock seconds that the attempt which finished a run spent in its stages."""

    train: float
    """Seconds from the start of the process to the chosen checkpoint, data preparation included."""
    evaluate: float
    """Seconds of generating and scoring the answers to the test rows."""

    @property
    def total(self) -> float:
        return self.train + self.evaluate


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """The most memory that process 0 of a run has used, in bytes."""

    host_bytes: int
    """Largest resident set of the process."""
    device_bytes: int | None = None
    """Most memory allocated on one device; None where the backend cannot tell."""


@dataclass(frozen=True, kw_only=True)
class ResultDocument(Document):
    """result.json: the outcome of a finished run."""

    FILE: ClassVar[str] = "result.json"

    run_id: str
    name: str
    selection: Selection
    """The chosen checkpoint and the other candidates."""
    steps: int
    train_rows: int
    """Training rows of one epoch."""
    dropped_rows: Mapping[str, Mapping[str, int]]
    """Rows that were not used, by `task/split/language` and reason."""
    data: tuple[str, ...]
    """Where the rows were read from, with the commits of Hub data sets."""
    seconds: StageSeconds
    generated_tokens_per_second: float
    """Tokens generated for the test rows per second of evaluation."""
    versions: Mapping[str, str]
    """Version of each package that can change the run's numbers."""
    peak_memory: PeakMemory | None = None
    """None in results of release 0.1."""


@dataclass(frozen=True)
class LeaseDocument(Document):
    """lease.json: the process that may write a directory."""

    FILE: ClassVar[str] = "lease.json"

    owner: Owner
    token: str
    """Names this one acquisition of the lease."""
    acquired: float
    """In Unix seconds."""
    heartbeat: float
    """When the holder last showed that it is alive, in Unix seconds; 0 after it has released the lease."""
    stale_seconds: float
    """Time in seconds without a new heartbeat after which another process may take the lease over."""
    claim: str | None = None
    """Identity of the supervisor for which the process holds the lease, such as the name of a Ray Train run."""
    epoch: int | None = None
    """Number of this acquisition, larger than that of every earlier one; None in leases of release 0.1."""
    base: int | None = None
    """Trees of earlier epochs than this do not count; None where everything counts."""

    @property
    def is_released(self) -> bool:
        """Whether the holder has given the lease back. The document stays, since the epochs have to go on."""
        return self.heartbeat == 0.0

    def looks_live(self, now: float) -> bool:
        """Returns whether somebody seems to hold the lease at `now` (Unix seconds).

        This compares clocks of two machines, so it is good enough for a display and nothing else.
        """
        return now - self.heartbeat <= self.stale_seconds and not self.owner.is_gone()

    def encode(self) -> bytes:
        """Returns the content of the file: one line, since it is rewritten every few seconds."""
        return json.dumps(self._values()).encode()


@dataclass(frozen=True)
class FileRecord:
    """Size and hashes of a file when its tree was committed."""

    size: int
    """Size in bytes."""
    sha256: str
    blocks: tuple[str, ...] | None = None
    """SHA-256 of each block of a file of several (see `trees`), so that a part of it can be verified alone."""


@dataclass(frozen=True)
class MarkerDocument(Document):
    """COMPLETE.json: the files of a committed tree. A tree without one does not count."""

    FILE: ClassVar[str] = "COMPLETE.json"

    files: Mapping[str, FileRecord]
    """By path inside the tree."""
    epoch: int | None = None
    """Epoch of the lease under which the tree was sealed, or taken over; None in trees of release 0.1."""

    def encode(self) -> bytes:
        """Returns the content of the file, with sorted keys: its hash names the content of the tree."""
        return json.dumps(self._values(), ensure_ascii=False, indent=1, sort_keys=True).encode()


@dataclass(frozen=True)
class JudgeTokens:
    """Tokens of a judge's requests and replies."""

    prompt: int
    completion: int
    uncounted: int
    """Replies whose server did not report tokens."""

    def __add__(self, other: Self) -> Self:
        sums = (getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        return type(self)(*sums)


@dataclass(frozen=True, kw_only=True)
class JudgeDocument(Document):
    """judge/judge.json: who rated the answers of a run, and with which outcome."""

    FILE: ClassVar[str] = "judge/judge.json"

    judge: str
    """Name of the judge: its model, and a hash over everything that decides its ratings."""
    model: str
    answered_by: Mapping[str, int]
    """Items by the model snapshot that answered, as its server named it."""
    fingerprints: Mapping[str, int]
    """Items by the server's `system_fingerprint`, where it sent one."""
    host: str
    """Host and port of the judge's endpoint."""
    temperature: float
    max_tokens: int
    """Longest reply in tokens."""
    prompt_sha256: str
    """SHA-256 of the rating protocol, in hexadecimal."""
    items: int
    """Answers that were to be rated."""
    rated: int
    unparsable: Mapping[str, Mapping[str, int]]
    """Answers whose reply holds no rating, by language and reason."""
    wrong_language: int
    """Answers that are not in the language of their prompt."""
    tokens: JudgeTokens
    """Of the distinct requests."""
    requests_sha256: str
    """SHA-256 over the keys of all requests in order, in hexadecimal."""
    judged: float
    """When the ratings were written, in Unix seconds."""
    versions: Mapping[str, str]
    """Versions of the packages that asked."""


def encode_run(run: RunSpec) -> bytes:
    """Returns the content of run.json."""
    return (json.dumps(run.to_dict() | {"name": run.name}, ensure_ascii=False, indent=1) + "\n").encode()


def decode_run(data: bytes, uri: str) -> RunSpec:
    """Returns the run that `encode_run` wrote; raises `StoreError` like `Document.decode`."""
    try:
        values = json.loads(data)
        if not isinstance(values, dict):
            raise StoreError(f"the content is a {type(values).__name__}, not a JSON object")
        return RunSpec.from_dict(values)
    except (CltRayError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{uri} is not a run that clt-ray has written: {error}") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _without_absent(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value is not None or key not in _LEFT_OUT_WHEN_NONE}


def _reason(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] in ("missing", "json_invalid"):
        return f"{key}: {problem['msg']}" if key else problem["msg"]
    value = repr(problem["input"])
    return f"{key or 'the content'}: {problem['msg']}, found {value[:80]}"
