"""A store whose process is killed at its n-th write: before it, or halfway through one that is not atomic."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clt_ray.store import Store

WRITES = ("write", "create", "append_line", "delete", "delete_tree", "put_tree", "take")
NOT_ATOMIC = ("append_line", "put_tree", "delete_tree")


class Countdown:
    """Counts the writes of all parts of a store, and kills this process at one of them."""

    def __init__(self, left: int, halfway: bool) -> None:
        self.left, self.halfway = left, halfway

    def write(self, files: Any, name: str, arguments: tuple[Any, ...]) -> None:
        """Counts a write that is about to happen."""
        if self.halfway and name not in NOT_ATOMIC:
            return
        self.left -= 1
        if self.left == 0:
            if self.halfway:
                _half(Path(files.uri), name, arguments)
            os.kill(os.getpid(), signal.SIGKILL)


def _half(root: Path, name: str, arguments: tuple[Any, ...]) -> None:
    """Does the first part of a write, as a process does that dies in the middle of it."""
    if name == "append_line":
        path, line = arguments
        with open(root / path, "ab") as file:
            file.write(line[: len(line) // 2])
    elif name == "put_tree":
        staging, path = arguments
        content = {file.name: file.read_bytes() for file in Path(staging).rglob("*") if file.is_file()}
        largest = max(content, key=lambda file: len(content[file]))
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / largest).write_bytes(content[largest][: len(content[largest]) // 2])
    elif (root / arguments[0]).exists():
        first = sorted(file for file in (root / arguments[0]).rglob("*") if file.is_file())
        first[0].unlink() if first else shutil.rmtree(root / arguments[0])


class MortalFiles:
    """The files of a store, with a countdown at their writes."""

    def __init__(self, files: Any, countdown: Countdown) -> None:
        self._files, self._countdown = files, countdown

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._files, name)
        if name in ("under", "take"):
            return lambda *arguments: self._derived(name, value, arguments)
        return self._counted(name, value) if name in WRITES else value

    def _derived(self, name: str, derive: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name in WRITES:
            self._countdown.write(self._files, name, arguments)
        files = derive(*arguments)
        return files and MortalFiles(files, self._countdown)

    def _counted(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._countdown.write(self._files, name, arguments)
            return write(*arguments)

        return call


def mortal_store(uri: str, stop_at: int, *, halfway: bool = False) -> Store:
    """Returns a store whose process dies at the n-th write, or halfway through the n-th write that is not atomic."""
    store = Store(uri)
    store._files = MortalFiles(store._files, Countdown(stop_at, halfway))  # type: ignore[assignment]
    return store
