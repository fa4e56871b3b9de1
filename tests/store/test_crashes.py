"""Whenever a writer dies, everything that counts in its run directory is complete."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from clt_ray.store import ErrorRecord, RunDir, StatusDocument, Store
from clt_ray.store.files import Files
from clt_ray.store.objects import open_files
from tests.support.store_cases import RUN_ID, make_staging

KILLS = 20
PATIENCE_SECONDS = 60.0
FAR = 10**6
"""Distance of the steps that are recorded and then truncated, as after a resume."""

fork = multiprocessing.get_context("fork")


def failed_status(step: int) -> StatusDocument:
    """A status long enough to be torn in the middle."""
    error = ErrorRecord(type="RunError", message="x" * 2000, permanent=False)
    return StatusDocument(state="failed", attempt=1, error=error, stage="train", step=step)


def write_for_ever(run_dir: RunDir, scratch: Path, start: int, wrote: Callable[[], Any]) -> None:
    """Repeats what training writes, for ever; `wrote` is called after each write."""
    for step in itertools.count(start):
        staging = make_staging(scratch / f"{os.getpid()}-{step}", bytes([step % 251]) * 50_000)
        for write in (
            lambda step=step: run_dir.write_status(failed_status(step)),
            lambda step=step: run_dir.append_metrics("train", step, {"train/loss": 1 / (step + 1)}),
            lambda step=step, staging=staging: run_dir.commit_tree(staging, f"checkpoints/weights-{step % 3}"),
            lambda step=step: run_dir.append_metrics("train", step + FAR, {"train/loss": 0.0}),
            lambda step=step: run_dir.truncate_metrics(after_step=step),
            lambda step=step: run_dir.delete_tree(f"checkpoints/weights-{(step + 1) % 3}"),
        ):
            write()
            wrote()


def check_sound(run_dir: RunDir) -> int:
    """Asserts that everything that counts is complete; returns the last recorded step."""
    for tree in run_dir.complete_trees("checkpoints/"):
        folder = run_dir.open_tree(tree)
        content = (folder / "shards" / "model.safetensors").read_bytes()
        assert len(set(content)) == 1 and len(content) == 50_000
    status = run_dir.status()
    assert status is None or (status.error is not None and len(status.error.message) == 2000)
    return max((point.step for point in run_dir.metrics("train") if point.step < FAR), default=0)


def _writer(uri: str, scratch: Path, start: int, writes: Connection) -> None:
    run_dir = Store(uri).run_dir(RUN_ID)
    with run_dir.acquire_lease(heartbeat_seconds=0.01):
        write_for_ever(run_dir, scratch, start, lambda: writes.send(None))


def test_kill_at_random_moments(tmp_path: Path) -> None:
    uri, moments = str(tmp_path / "store"), random.Random(0)
    last = 0
    for _ in range(KILLS):
        receiver, sender = fork.Pipe(duplex=False)
        process = fork.Process(target=_writer, args=(uri, tmp_path, last + 1, sender))
        process.start()
        for _ in range(moments.randrange(1, 25)):
            assert receiver.poll(PATIENCE_SECONDS)
            receiver.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        receiver.close()
        sender.close()
        last = check_sound(Store(uri).run_dir(RUN_ID))
    with Store(uri).run_dir(RUN_ID).acquire_lease():
        assert last > KILLS


class PowerCut(BaseException):
    """The machine stops."""


class Mortal:
    """Files that stop at the n-th write: before it, after it, or halfway through a write that is not atomic."""

    WRITES = ("write", "create", "append_line", "delete", "delete_tree", "put_tree")

    def __init__(self, files: Files, stop_at: int, how: str) -> None:
        self.files, self.left, self.how = files, stop_at, how

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.files, name)
        return self._counted(name, value) if name in self.WRITES else value

    def _counted(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.left -= 1
            if self.left:
                return write(*arguments)
            if self.how == "halfway":
                self._half(name, *arguments)
            if self.how == "after":
                write(*arguments)
            raise PowerCut

        return call

    def _half(self, name: str, *arguments: Any) -> None:
        """Does the part of an unfinished write that a reader may see."""
        if name == "append_line":
            path, line = arguments
            before = self.files.read(path) or b""
            self.files.write(path, before + line[: len(line) // 2])
        elif name == "put_tree":
            staging, path = arguments
            self.files.write(f"{path}/shards/model.safetensors", (staging / "config.json").read_bytes())
        elif name == "delete_tree":
            (path,) = arguments
            for file in list(self.files.sizes(path))[:1]:
                self.files.delete(file)


@pytest.mark.parametrize("uri", ["local", "memory"], indirect=True)
@pytest.mark.parametrize("how", ["before", "halfway", "after"])
def test_stop_at_every_write(uri: str, tmp_path: Path, how: str) -> None:
    files = open_files(uri)
    for stop_at in range(1, 40):
        mortal = Mortal(files.under(f"runs/{stop_at}"), stop_at, how)
        with pytest.raises(PowerCut):
            write_for_ever(RunDir(mortal), tmp_path / how, 1, lambda: None)  # type: ignore[arg-type]
        run_dir = RunDir(files.under(f"runs/{stop_at}"))
        last = check_sound(run_dir)
        # The next writer continues from this state.
        run_dir.append_metrics("train", last + 1, {"train/loss": 0.5})
        run_dir.commit_tree(make_staging(tmp_path / f"next-{how}-{stop_at}", b"y" * 50_000), "checkpoints/weights-0")
        assert check_sound(run_dir) == last + 1
        assert "checkpoints/weights-0" in run_dir.complete_trees("checkpoints/")
        assert all(json.loads(line) for line in run_dir.read_text("train.jsonl").splitlines())
        for leftover in tmp_path.glob(f"{how}/*"):
            shutil.rmtree(leftover)
