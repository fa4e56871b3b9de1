"""Two commands on one storage, whose clocks differ by more than a lease lasts: no run is executed twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from clt_ray.store import StatusDocument, Store
from tests.support.clocks import wrong_clock
from tests.support.commands import Killable, lease
from tests.support.long_sweep import LONG, PAIR, assert_equal_stores, peer, workers, write_part

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.long]

SKEW_SECONDS = 65.0
LEASE_SECONDS = 60.0


def status(storage: Path, run_id: str) -> StatusDocument:
    found = Store(str(storage)).run_dir(run_id).status()
    assert found is not None
    return found


def contents(storage: Path) -> dict[str, bytes]:
    """Everything that is stored of the runs."""
    return {str(file): file.read_bytes() for file in storage.glob("runs/**/*") if file.is_file()}


def test_two_commands_start_together_and_one_is_killed(unbroken_sweep: Path, tmp_path: Path) -> None:
    path, (short, long) = write_part(tmp_path / "sweep.yaml", [0, LONG])
    storage = tmp_path / "store"
    behind = wrong_clock(tmp_path / "behind", -SKEW_SECONDS)
    commands = [Killable("run", path, storage=storage, environment=environment) for environment in ({}, behind)]
    commands[0].wait_for_stage("finished", storage, short.run_id)
    commands[0].wait_for_stage("train", storage, long.run_id)
    held = lease(storage, long.run_id)
    assert held.epoch == 1
    holds = str(tmp_path / "behind") in Path(f"/proc/{held.owner.pid}/environ").read_text()
    assert (abs(time.time() - held.heartbeat) > SKEW_SECONDS / 2) == holds
    killed, other = commands[holds], commands[not holds]
    killed.kill_driver()
    output = other.output()
    assert other.process.returncode == 0, output
    assert "2 of 2 runs finished, 0 failed" in output
    assert [status(storage, run.run_id).attempt for run in (short, long)] == [1, 2]
    assert_equal_stores(storage, unbroken_sweep, [short, long])


def test_a_command_whose_clock_is_ahead_takes_no_live_lease(unbroken_pair: Path, tmp_path: Path) -> None:
    path, (run,) = write_part(tmp_path / "sweep.yaml", [1], hardware=PAIR)
    storage = tmp_path / "store"
    first = Killable("run", path, storage=storage)
    first.wait_for_stage("train", storage, run.run_id)
    # Without its peer, the process that holds the run lives and makes no progress.
    holder, waits_for = lease(storage, run.run_id).owner.pid, peer(first, storage, run.run_id)
    os.kill(waits_for, signal.SIGSTOP)
    ahead = wrong_clock(tmp_path / "ahead", SKEW_SECONDS)
    second = Killable("run", path, storage=storage, environment=ahead)
    # By its clock the lease is stale, so it starts the run, and watches the lease.
    second.wait_for(lambda: len(workers(second)) == 2)
    # An interrupt of this command stops nothing of the other.
    second.process.send_signal(signal.SIGINT)
    second.output()
    directory = Store(str(storage)).run_dir(run.run_id)
    assert directory.stop_request() is None
    assert lease(storage, run.run_id).epoch == 1 and status(storage, run.run_id).state == "running"

    third = Killable("run", path, storage=storage, environment=ahead)
    third.wait_for(lambda: len(workers(third)) == 2)
    os.kill(holder, signal.SIGSTOP)
    frozen = time.monotonic()
    output = third.output()
    assert third.process.returncode == 0, output
    assert time.monotonic() - frozen > LEASE_SECONDS
    assert (status(storage, run.run_id).updated or 0.0) > time.time()
    finished = contents(storage)
    for process in (holder, waits_for):
        os.kill(process, signal.SIGCONT)
    output = first.output()
    assert first.process.returncode == 0, output
    assert "1 of 1 runs finished, 0 failed" in output
    assert contents(storage) == finished
    assert status(storage, run.run_id).attempt == 2
    assert_equal_stores(storage, unbroken_pair, [run])
