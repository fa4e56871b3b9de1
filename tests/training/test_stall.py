"""A process that hangs without dying is ended after its limit, with its error and the tracebacks of its threads."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clt_ray import supervision
from clt_ray.pipeline import execute
from clt_ray.store import RunDir, Store
from clt_ray.store.recorder import Recorder
from clt_ray.supervision import STALLED, limit_seconds, supervised
from clt_ray.sweep.run import RunSpec
from tests.support.processes import assert_equal_runs, execute_in_processes, outcomes, wait_until
from tests.support.trained import last_run

STALL_MINUTES = 0.5
"""Longer than any import of a library takes on a busy machine."""


def stalled_run(run: RunSpec, store: Store) -> RunDir:
    """Returns the directory of a run whose status names a stall."""
    directory = store.run_dir(run.run_id)
    status = directory.status()
    assert status is not None and status.state == "failed" and status.error is not None
    assert status.error.type == "StallError" and not status.error.permanent
    assert status.error.traceback is not None and "thread MainThread" in status.error.traceback
    state = store.states([run.run_id])[run.run_id]
    assert state.kind == "failed" and "no progress for" in (state.error or "")
    return directory


@pytest.mark.slow
def test_a_file_that_never_opens_ends_the_attempt_and_the_next_one_continues(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = last_run(tmp_path, hardware={"accelerator": "CPU", "stall_minutes": STALL_MINUTES})
    store = Store(str(tmp_path / "store"))
    directory = store.run_dir(run.run_id)
    # Opening a FIFO waits for its other end, as opening a file does on a network disk whose server is gone.
    Path(directory.uri).mkdir(parents=True)
    log = Path(directory.uri) / "validation.jsonl"
    os.mkfifo(log)
    context = execute_in_processes(run, tmp_path)
    context.processes[0].join()
    # The records of a run are read before its lease is held, so nothing can be recorded.
    assert context.processes[0].exitcode == STALLED and directory.status() is None
    errors = capfd.readouterr().err
    assert "no progress for" in errors and "thread MainThread" in errors and "_take_over" in errors
    log.unlink()
    assert execute(run, store) == "finished"
    status = directory.status()
    assert status is not None and (status.state, status.attempt, status.error) == ("finished", 1, None)


@pytest.mark.slow
def test_a_collective_whose_peer_is_suspended_ends_the_attempt(tmp_path: Path) -> None:
    # Two processes load their model at the same time before the first progress, perhaps on a machine that does more.
    limits = {"accelerator": "CPU", "workers": 2, "stall_minutes": 2 * STALL_MINUTES}
    run = last_run(tmp_path, hardware=limits, training={"epochs": 6, "eval_every": 10})
    store = Store(str(tmp_path / "store"))
    directory = store.run_dir(run.run_id)
    context = execute_in_processes(run, tmp_path, 2)
    wait_until(lambda: directory.metrics("train"), context)
    first, peer = context.processes
    os.kill(peer.pid, signal.SIGSTOP)
    first.join()
    assert first.exitcode == STALLED
    status = stalled_run(run, store).status()
    assert status is not None and status.error is not None
    assert "at step 10 of 24, in stage train" in status.error.message
    os.kill(peer.pid, signal.SIGKILL)
    peer.join()

    whole = tmp_path / "whole"
    whole.mkdir()
    for folder in (tmp_path, whole):
        assert outcomes(execute_in_processes(run, folder, 2), folder) == ["finished"] * 2
    assert_equal_runs(directory, Store(str(whole / "store")).run_dir(run.run_id))


def hold_the_interpreter() -> None:
    """Hangs in foreign code that does not release the interpreter lock, so no thread of Python runs any more."""
    supervision.GRACE_SECONDS = 1.0
    with supervised(Recorder(), limit=1.0):
        print("supervised", flush=True)
        ctypes.PyDLL(None).sleep(600)


def test_a_process_that_holds_the_interpreter_lock_is_ended() -> None:
    program = f"from {__name__} import hold_the_interpreter; hold_the_interpreter()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ended.stdout == "supervised\n" and ended.returncode == 1
    assert "Timeout" in ended.stderr and "hold_the_interpreter" in ended.stderr


def test_progress_keeps_a_process_alive(tmp_path: Path) -> None:
    assert limit_seconds(last_run(tmp_path)) == 1800
    assert limit_seconds(last_run(tmp_path, hardware={"stall_minutes": 2})) == 120
    program = (
        "import threading; from clt_ray.supervision import supervised; from clt_ray.store.recorder import Recorder\n"
        "recorder, pause = Recorder(), threading.Event()\n"
        "with supervised(recorder, limit=2.0):\n"
        "    for _ in range(50): pause.wait(0.1) or recorder.beat()\n"
        "print('done')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
