"""Supervises an attempt of a run from beside it: passes on requests to stop, and ends a process that hangs.

    stop.json, SIGTERM    ->  `Recorder.stop_reason`, which training reads after each step
    no `Recorder.beat` for the limit  ->  the error and all tracebacks in status.json, exit status 70
    ... and 30 s later                ->  the same exit from a thread of `faulthandler`

The threads here never wait for training. What they do may hang as well: a thread of Python waits for the interpreter
lock, which a hanging extension can hold, and writing the error waits for the file system. `faulthandler` needs neither.
"""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from types import FrameType

from clt_ray.store import RunDir
from clt_ray.store.recorder import Recorder
from clt_ray.sweep.run import RunSpec

log = logging.getLogger(__name__)

STOP_POLL_SECONDS = 2.0
"""Time between two reads of stop.json; in an object store, each is a request."""
STALL_MINUTES, STALL_MINUTES_TPU = 30.0, 60.0
"""Default limits without progress; on a TPU, each new shape of a step is compiled, which takes up to an hour."""
RECORD_SECONDS = 10.0
"""Longest time that recording a stall may take."""
GRACE_SECONDS = 30.0
STALLED = 70
"""Exit status of a process that made no progress (EX_SOFTWARE of sysexits.h)."""


def limit_seconds(run: RunSpec) -> float:
    """Returns how long a process of a run may go without progress, in seconds."""
    default = STALL_MINUTES_TPU if run.hardware.is_tpu else STALL_MINUTES
    return 60.0 * (run.hardware.stall_minutes or default)


@contextlib.contextmanager
def supervised(recorder: Recorder, limit: float, directory: RunDir | None = None) -> Iterator[None]:
    """Supervises this process for the length of the block.

    Args:
        recorder: Receives requests to stop, and the error of a process that hangs.
        limit: Longest time without progress, in seconds.
        directory: The run directory, which process 0 searches for requests to stop; None in other processes.
    """
    with watched(recorder, limit) as ended, _sigterm(recorder):
        if directory is not None:
            # Nobody waits for the end of this thread, which may be inside a read that hangs.
            arguments = (recorder, directory, ended)
            threading.Thread(target=_poll_stop, args=arguments, name="clt-ray-stop", daemon=True).start()
        yield


@contextlib.contextmanager
def watched(recorder: Recorder, limit: float) -> Iterator[threading.Event]:
    """Ends this process where it makes no progress for `limit` seconds; provides what is set when the block ends."""
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(recorder, limit, ended), name="clt-ray-stall", daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        ended.set()
        thread.join()
        faulthandler.cancel_dump_traceback_later()


def _poll_stop(recorder: Recorder, directory: RunDir, ended: threading.Event) -> None:
    while recorder.stop_reason is None and not ended.wait(STOP_POLL_SECONDS):
        try:
            request = directory.stop_request()
        except Exception as error:
            log.warning("stop.json of %s was not read: %s", directory.uri, error)
            continue
        if request is not None and not ended.is_set():
            recorder.stop_reason = request.reason


@contextlib.contextmanager
def _sigterm(recorder: Recorder) -> Iterator[None]:
    # Python accepts signal handlers in the main thread only; Ray calls most training functions in another one.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        recorder.stop_reason = recorder.stop_reason or "SIGTERM"
        # A second signal ends the process as it would without this handler.
        signal.signal(signal.SIGTERM, before)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(recorder: Recorder, limit: float, ended: threading.Event) -> None:
    while True:
        idle = time.monotonic() - recorder.last_beat
        if idle > limit:
            _end(recorder, idle)
        faulthandler.dump_traceback_later(limit - idle + GRACE_SECONDS, exit=True, file=2)
        if ended.wait(min(1.0, limit / 10)):
            return


def _end(recorder: Recorder, idle: float) -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames().items()
    stacks = [f"thread {names.get(ident)}\n{''.join(traceback.format_stack(frame))}" for ident, frame in frames]
    text = "\n".join(stacks)
    print(f"no progress for {idle:.0f} s\n{text}", file=sys.stderr, flush=True)
    record = threading.Thread(target=recorder.stall, args=(idle, text), daemon=True)
    record.start()
    record.join(RECORD_SECONDS)
    os._exit(STALLED)
