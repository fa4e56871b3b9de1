"""Records the course of a run: status.json, the files of its evaluation, and result.json.

Process 0 has a `RunRecorder`. The other processes have a plain `Recorder`, which writes nothing, so that the stages of
a run are the same code in all processes.
"""

import time
import traceback
from collections.abc import Mapping
from dataclasses import replace

from clt_ray.errors import StallError
from clt_ray.store.documents import ErrorRecord, ResultDocument, StatusDocument, StoreError
from clt_ray.store.lease import Clock
from clt_ray.store.run_dir import RunDir
from clt_ray.sweep.run import RunSpec


class Recorder:
    """Records the course of one attempt of a run: this base class nowhere, `RunRecorder` in the run directory.

    It also holds what the supervision of the attempt (`clt_ray.supervision`) and its stages tell each other.
    """

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        """Why this process was asked to stop; None as long as nobody has asked."""
        self.beat()

    def beat(self) -> None:
        """Notes that the process has made progress; costs nothing."""
        self.last_beat = time.monotonic()

    def progress(self, *, stage: str, step: int, total_steps: int, loss: float | None) -> None:
        """Records the position of training: stage, steps taken and planned, and the loss in nats per token."""

    def enter_stage(self, stage: str) -> None:
        """Records that a stage begins: `data`, `train` or `evaluate`."""

    def discard_tree(self, name: str) -> None:
        """Deletes a tree of the run directory that turned out to be damaged."""

    def stall(self, seconds: float, threads: str) -> None:
        """Records that the process has made no progress for some seconds, with the tracebacks of all its threads."""

    def finish(self, files: Mapping[str, str], result: ResultDocument) -> None:
        """Writes the files of the evaluation, by name, then the status, then the result."""


class RunRecorder(Recorder):
    """Writes to the run directory, of which this process holds the lease."""

    def __init__(self, directory: RunDir, run: RunSpec, clock: Clock = time.time) -> None:
        """Begins the next attempt of a run; nothing is written before a method is called."""
        super().__init__()
        self._directory, self._clock = directory, clock
        try:
            previous = directory.status()
        except StoreError:
            # The attempts are counted anew rather than giving up a run for a document that is only shown.
            previous = None
        attempt = (previous.attempt if previous is not None else 0) + 1
        self._status = StatusDocument(state="running", attempt=attempt, stage="data", step=0, total_steps=run.steps)

    def progress(self, *, stage: str, step: int, total_steps: int, loss: float | None) -> None:
        self._write(replace(self._status, stage=stage, step=step, total_steps=total_steps, loss=loss))

    def enter_stage(self, stage: str) -> None:
        self._write(replace(self._status, stage=stage))

    def discard_tree(self, name: str) -> None:
        self._directory.delete_tree(name)

    def finish(self, files: Mapping[str, str], result: ResultDocument) -> None:
        for name, text in files.items():
            self._directory.write_text(name, text)
        self._write(replace(self._status, state="finished"))
        self._directory.write_result(result)

    def stop(self, reason: str) -> None:
        """Records that this attempt has ended because it was asked to."""
        self._write(replace(self._status, stopped=reason))

    def stall(self, seconds: float, threads: str) -> None:
        status = self._status
        place = f"step {status.step} of {status.total_steps}, in stage {status.stage}"
        self.fail(StallError(f"no progress for {seconds:.0f} s at {place}"), permanent=False, trace=threads)

    def fail(self, error: BaseException, permanent: bool, trace: str | None = None) -> None:
        """Records the error that ended this attempt; `permanent` if repeating the run would fail in the same way."""
        text = trace or "".join(traceback.format_exception(error))
        record = ErrorRecord(type=type(error).__name__, message=str(error), permanent=permanent, traceback=text)
        self._write(replace(self._status, state="failed", error=record))

    def _write(self, status: StatusDocument) -> None:
        self.beat()
        self._status = replace(status, updated=self._clock())
        self._directory.write_status(self._status)
