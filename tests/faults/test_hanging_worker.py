"""A worker of Ray Train that hangs without dying is ended, and its run starts again and finishes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from clt_ray.store import Store
from tests.support.commands import Killable
from tests.support.long_sweep import PAIR, assert_equal_stores, peer, write_part

pytestmark = [pytest.mark.serial, pytest.mark.slow]


def test_a_suspended_worker_is_replaced_and_the_run_finishes(unbroken_pair: Path, tmp_path: Path) -> None:
    path, (run,) = write_part(tmp_path / "sweep.yaml", [1], hardware=PAIR | {"stall_minutes": 1})
    storage = tmp_path / "store"
    running = Killable("run", path, storage=storage)
    running.wait_for_stage("train", storage)
    suspended = peer(running, storage, run.run_id)
    os.kill(suspended, signal.SIGSTOP)
    directory = Store(str(storage)).run_dir(run.run_id)
    running.wait_for(lambda: (status := directory.status()) is not None and status.state == "failed")
    status = directory.status()
    assert status is not None and status.error is not None
    assert status.error.type == "StallError" and "in stage train" in status.error.message
    output = running.output()
    assert running.process.returncode == 0, output
    assert "1 of 1 runs finished, 0 failed" in output
    assert not Path(f"/proc/{suspended}").exists()
    status = directory.status()
    assert status is not None and status.attempt > 1
    assert_equal_stores(storage, unbroken_pair, [run])
