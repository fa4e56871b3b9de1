"""A process waits for chips that another process of its host still has open, and names that process when it stays."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clt_ray.training.backends.xla.environment import wait_for_chips

HOLD = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has a chip open; the file stands for /dev/accel0."""
    (tmp_path / "accel0").touch()
    command = [sys.executable, "-c", HOLD, str(tmp_path / "accel0")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_chips_of_a_process_that_is_killed_are_waited_for(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    ended = threading.Event()

    def wait() -> None:
        wait_for_chips([str(tmp_path / "accel*")])
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not ended.wait(1.0)
    holder.kill()
    holder.wait()
    thread.join(60)
    assert ended.is_set()


def test_a_process_that_stays_is_named(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=f"in use by the processes {holder.pid}$"):
        wait_for_chips([str(tmp_path / "accel*")], seconds=0)


def test_a_host_without_such_a_process_does_not_wait(tmp_path: Path) -> None:
    wait_for_chips([str(tmp_path / "accel*")], seconds=0)
    with open(tmp_path / "accel0", "w"):
        wait_for_chips([str(tmp_path / "accel*")], seconds=0)
