"""A former holder that wakes up changes nothing that counts, wherever it was suspended.

The former holder is a real process. On a disk it suspends itself with SIGSTOP right before a chosen system call, so
that every instruction between its checks and its effects is covered. At an object store the proxy holds one of its
requests on the way, which is what a suspended machine or a broken network does. Then another process takes the run
over and writes, and the former holder goes on.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clt_ray.store import ErrorRecord, LeaseDocument, LeaseLost, RunDir, StatusDocument, Store
from tests.support.storage_servers import ObjectStore
from tests.support.store_cases import RUN_ID, frozen_result, make_staging

PATIENCE_SECONDS = 60
CLAIM = "train-run"
LOST = 7
"""Exit status of a former holder that noticed that it had lost its lease."""
SYSTEM_CALLS = ("replace", "rename", "link", "open", "unlink", "mkdir")


def status(attempt: int, step: int) -> StatusDocument:
    error = ErrorRecord(type="E", message="x", permanent=False)
    return StatusDocument(state="failed", attempt=attempt, error=error, stage="train", step=step, total_steps=9)


def write_everything(run_dir: RunDir, attempt: int, scratch: Path) -> None:
    """Writes everything that the holder of a run writes, once."""
    content = str(attempt).encode() * 100
    run_dir.write_status(status(attempt, 1))
    run_dir.append_metrics("train", attempt, {"train/loss": 1.0})
    run_dir.append_metrics("validation", attempt, {"val/loss": 1.0})
    run_dir.commit_tree(make_staging(scratch / f"{attempt}-a", content), "checkpoints/weights-000010")
    place = run_dir.begin_tree("checkpoints/resume-000010")
    run_dir.seal_tree(place, run_dir.put_part(make_staging(scratch / f"{attempt}-b", content), place))
    run_dir.commit_tree(make_staging(scratch / f"{attempt}-c", content), "checkpoints/weights-000020")
    run_dir.delete_tree("checkpoints/weights-000010")
    run_dir.truncate_metrics(after_step=attempt)
    run_dir.append_metrics("validation", attempt, {"val/loss": 2.0})
    run_dir.write_text("scores.csv", f"attempt\n{attempt}\n")
    run_dir.write_status(status(attempt, 2))
    run_dir.write_result(replace(frozen_result(), steps=attempt))


def be_the_former_holder(uri: str, scratch: Path, stop_at: int = 0) -> int:
    """Holds the lease as attempt 1 and writes everything; suspends itself before system call number `stop_at`.

    Returns:
        `LOST` when the lease was lost, 0 otherwise.
    """
    run_dir = Store(uri).run_dir(RUN_ID)
    with run_dir.acquire_lease(claim=CLAIM):
        calls = itertools.count(1)

        def suspending(call: Callable[..., Any]) -> Callable[..., Any]:
            def suspended(*arguments: Any, **options: Any) -> Any:
                if next(calls) == stop_at:
                    os.kill(os.getpid(), signal.SIGSTOP)
                return call(*arguments, **options)

            return suspended

        for name in SYSTEM_CALLS if stop_at else ():
            setattr(os, name, suspending(getattr(os, name)))
        try:
            write_everything(run_dir, 1, scratch)
        except LeaseLost:
            return LOST
    return 0


@contextmanager
def forked(uri: str, scratch: Path, stop_at: int) -> Iterator[int]:
    """Yields the process id of a former holder that suspends itself."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            code = be_the_former_holder(uri, scratch, stop_at)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


@contextmanager
def spawned(uri: str, scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yields a former holder; a process that is forked cannot use the connections of its parent."""
    program = (
        "import sys; from pathlib import Path; from tests.store.test_fencing import be_the_former_holder; "
        "sys.exit(be_the_former_holder(sys.argv[1], Path(sys.argv[2])))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, uri, str(scratch)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def check(run_dir: RunDir, lease: LeaseDocument) -> None:
    """Asserts that attempt 2 is all that counts."""
    assert run_dir.status() == status(2, 2)
    result = run_dir.result()
    assert result is not None and result.steps == 2
    assert [point.step for point in run_dir.metrics("train")] == [2]
    validations = [(point.step, point.metrics["val/loss"]) for point in run_dir.metrics("validation")]
    assert validations == [(2, 1.0), (2, 2.0)]
    assert run_dir.read_text("scores.csv") == "attempt\n2\n"
    assert run_dir.complete_trees("checkpoints/") == ["checkpoints/resume-000010", "checkpoints/weights-000020"]
    for tree in run_dir.complete_trees("checkpoints/"):
        assert (run_dir.open_tree(tree) / "shards" / "model.safetensors").read_bytes() == b"2" * 100
    now = LeaseDocument.decode(run_dir.read_text("lease.json").encode(), "lease.json")
    assert (now.token, now.epoch, now.base) == (lease.token, lease.epoch, lease.epoch)


def take_over(uri: str, scratch: Path) -> tuple[RunDir, LeaseDocument] | None:
    """Takes the run over as another machine would, and writes everything.

    Returns:
        The directory, and its lease document meanwhile; None when there was nothing to do, because of a result.
    """
    run_dir = Store(uri).run_dir(RUN_ID)
    with run_dir.acquire_lease(claim=CLAIM):
        if run_dir.is_finished():
            return None
        run_dir.truncate_metrics(after_step=0)
        write_everything(run_dir, 2, scratch)
        held = LeaseDocument.decode(run_dir.read_text("lease.json").encode(), "lease.json")
    return run_dir, held


@pytest.mark.parametrize("first", range(1, 5))
def test_a_holder_that_was_suspended_at_any_system_call_changes_nothing(tmp_path: Path, first: int) -> None:
    for stop_at in itertools.count(first, 4):
        uri = str(tmp_path / str(stop_at))
        with forked(uri, tmp_path / f"former-{stop_at}", stop_at) as process:
            _, state = os.waitpid(process, os.WUNTRACED)
            if not os.WIFSTOPPED(state):
                assert os.waitstatus_to_exitcode(state) == 0
                break
            taken = take_over(uri, tmp_path / f"next-{stop_at}")
            os.kill(process, signal.SIGCONT)
            _, state = os.waitpid(process, 0)
            if taken is None:
                break
            check(*taken)
            assert os.waitstatus_to_exitcode(state) == LOST
    assert stop_at > 80


@pytest.mark.parametrize(
    ("part", "occurrence"),
    [
        ("status.json", 1),
        ("train.jsonl", 1),
        ("validation.jsonl", 1),
        ("weights-000020@1/config.json", 1),
        ("COMPLETE.json", 1),
        ("COMPLETE.json", 3),
        ("COMPLETE.json", 4),
        ("scores.csv", 1),
        ("status.json", 2),
        ("result.json", 1),
    ],
)
def test_a_request_that_arrives_late_changes_nothing(
    object_store: ObjectStore, tmp_path: Path, part: str, occurrence: int
) -> None:
    uri = object_store.new_uri()
    with spawned(uri, tmp_path / "former") as process:
        with object_store.proxy.hold(object_store.put_method, part, occurrence) as arrived:
            assert arrived.wait(PATIENCE_SECONDS)
            process.send_signal(signal.SIGSTOP)
            taken = take_over(uri, tmp_path / "next")
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE_SECONDS) == LOST
    assert taken is not None
    check(*taken)
