"""A run directory has one holder at a time, whichever process dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from clt_ray.store import Lease, LeaseHeld, LeaseLost, Owner, RunDir, Store
from clt_ray.store.lease import acquire
from clt_ray.store.objects import open_files
from tests.support.store_cases import RUN_ID, ManualClock, make_staging

CONTENDERS = 6
PATIENCE_SECONDS = 60.0

fork = multiprocessing.get_context("fork")


def elsewhere(host: str = "elsewhere") -> Owner:
    return replace(Owner.current(), host=host)


def test_held_and_released(run_dir: RunDir, store: Store) -> None:
    other = store.run_dir(RUN_ID)
    with run_dir.acquire_lease(heartbeat_seconds=None) as lease:
        with pytest.raises(LeaseHeld, match=f"process {os.getpid()} on"):
            other.acquire_lease(heartbeat_seconds=None)
        assert not lease.lost.is_set()
    other.acquire_lease(heartbeat_seconds=None).release()
    run_dir.write_text("after", "a released lease no longer restricts writes")


def test_stale_lease_is_taken_over_and_its_holder_stops(store: Store, clock: ManualClock) -> None:
    first, second = store.run_dir(RUN_ID), store.run_dir(RUN_ID)
    lost = first.acquire_lease(elsewhere("one"), heartbeat_seconds=None)
    clock.now += 1000
    with pytest.raises(LeaseHeld, match="for 0 s of watching") as refused:
        second.acquire_lease(elsewhere("two"), heartbeat_seconds=None)
    assert not refused.value.renewed
    clock.now += 59
    with pytest.raises(LeaseHeld):
        second.acquire_lease(elsewhere("two"), heartbeat_seconds=None)
    lost.beat()
    clock.now += 59
    with pytest.raises(LeaseHeld) as refused:
        second.acquire_lease(elsewhere("two"), heartbeat_seconds=None)
    assert refused.value.renewed
    clock.now += 59
    with pytest.raises(LeaseHeld):
        second.acquire_lease(elsewhere("two"), heartbeat_seconds=None)
    clock.now += 2
    with second.acquire_lease(elsewhere("two"), heartbeat_seconds=None) as held:
        # The first holder reads the lease before it writes, and finds that it was taken over.
        with pytest.raises(LeaseLost):
            first.append_metrics("train", 1, {"train/loss": 1.0})
        assert lost.lost.is_set()
        lost.beat()
        lost.release()
        held.beat()
        assert not held.lost.is_set()
        second.append_metrics("train", 1, {"train/loss": 1.0})
    assert len(second.metrics("train")) == 1


def test_a_clock_that_is_ahead_steals_nothing(store: Store, uri: str, clock: ManualClock) -> None:
    with store.run_dir(RUN_ID).acquire_lease(elsewhere("one"), heartbeat_seconds=None) as lease:
        ahead = Store(uri, ManualClock(clock.now + 3600), ManualClock()).run_dir(RUN_ID)
        with pytest.raises(LeaseHeld):
            ahead.acquire_lease(elsewhere("two"), heartbeat_seconds=None)
        lease.check()


def test_the_same_claim_takes_a_live_lease_over_at_once(store: Store) -> None:
    first = store.run_dir(RUN_ID)
    first.acquire_lease(elsewhere("one"), heartbeat_seconds=None, claim="train-run")
    for claim in (None, "another-train-run"):
        with pytest.raises(LeaseHeld):
            store.run_dir(RUN_ID).acquire_lease(elsewhere("two"), heartbeat_seconds=None, claim=claim)
    second = store.run_dir(RUN_ID).acquire_lease(elsewhere("two"), heartbeat_seconds=None, claim="train-run")
    second.check()
    with pytest.raises(LeaseHeld):
        store.run_dir(RUN_ID).acquire_lease(elsewhere("three"), heartbeat_seconds=None)


def test_two_processes_without_a_claim_exclude_each_other(store: Store) -> None:
    store.run_dir(RUN_ID).acquire_lease(elsewhere("one"), heartbeat_seconds=None)
    with pytest.raises(LeaseHeld):
        store.run_dir(RUN_ID).acquire_lease(elsewhere("two"), heartbeat_seconds=None)


def test_late_heartbeat_of_an_untouched_lease_keeps_it(store: Store, clock: ManualClock) -> None:
    run_dir = store.run_dir(RUN_ID)
    with run_dir.acquire_lease(elsewhere(), heartbeat_seconds=None) as lease:
        clock.now += 600
        run_dir.append_metrics("train", 1, {"train/loss": 1.0})
        assert not lease.lost.is_set()


def test_heartbeat_never_brings_back_a_removed_lease(store: Store, uri: str) -> None:
    lease = store.run_dir(RUN_ID).acquire_lease(heartbeat_seconds=None)
    open_files(uri).delete(f"runs/{RUN_ID}/lease.json")
    lease.beat()
    assert lease.lost.is_set()
    assert not store.run_dir(RUN_ID).exists("lease.json")


def test_background_heartbeat(store: Store, clock: ManualClock) -> None:
    beats = threading.Semaphore(0)

    def counting_clock() -> float:
        beats.release()
        return clock.now

    with store.run_dir(RUN_ID).acquire_lease(clock=counting_clock, heartbeat_seconds=0.001) as lease:
        for _ in range(4):
            assert beats.acquire(timeout=PATIENCE_SECONDS)
        assert not lease.lost.is_set()


def test_epochs_go_on_when_the_lease_document_is_lost(store: Store, uri: str, tmp_path: Path) -> None:
    for attempt in (b"first", b"second"):
        run_dir = store.run_dir(RUN_ID)
        with run_dir.acquire_lease(heartbeat_seconds=None):
            run_dir.commit_tree(make_staging(tmp_path / attempt.decode(), attempt), "checkpoints/weights-000001")
        if attempt == b"first":
            run_dir.acquire_lease(heartbeat_seconds=None).release()
            open_files(uri).delete(f"runs/{RUN_ID}/lease.json")
    weights = run_dir.open_tree("checkpoints/weights-000001") / "shards" / "model.safetensors"
    assert weights.read_bytes() == b"second"


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({}, False),
        ({"started": "0"}, True),
        ({"pid": 2**22 + 1}, True),
        ({"pid": 2**22 + 1, "boot": "another boot"}, False),
        ({"pid": 2**22 + 1, "host": "another host"}, False),
        ({"pid": 2**22 + 1, "namespace": "another container"}, False),
        ({"pid": 2**22 + 1, "boot": ""}, False),
    ],
)
def test_a_process_is_gone_only_when_that_is_certain(change: dict[str, Any], gone: bool) -> None:
    assert replace(Owner.current(), **change).is_gone() is gone


def test_dead_process_of_this_machine_is_replaced_at_once(run_dir: RunDir, store: Store) -> None:
    dead = replace(Owner.current(), started="0")
    run_dir.acquire_lease(dead, heartbeat_seconds=None)
    store.run_dir(RUN_ID).acquire_lease(heartbeat_seconds=None).release()


def race(contend: Callable[[int], Lease | None]) -> list[Lease]:
    with ThreadPoolExecutor(CONTENDERS) as pool:
        return [lease for lease in pool.map(contend, range(CONTENDERS)) if lease is not None]


@pytest.mark.parametrize("stale", [False, True])
def test_one_thread_acquires_the_lease(store: Store, clock: ManualClock, stale: bool) -> None:
    for attempt in range(10):
        run_id = f"run-{attempt}"
        if stale:
            store.run_dir(run_id).acquire_lease(elsewhere(), heartbeat_seconds=None)
        contenders = [store.run_dir(run_id) for _ in range(CONTENDERS)]
        if stale:
            for contender in contenders:
                with pytest.raises(LeaseHeld):
                    contender.acquire_lease(elsewhere(), heartbeat_seconds=None)
            clock.now += 61
        barrier = threading.Barrier(CONTENDERS)

        def contend(
            index: int, contenders: list[RunDir] = contenders, barrier: threading.Barrier = barrier
        ) -> Lease | None:
            barrier.wait(PATIENCE_SECONDS)
            try:
                return contenders[index].acquire_lease(elsewhere(str(index)), heartbeat_seconds=None)
            except LeaseHeld:
                return None

        assert len(race(contend)) == 1


def _contend(uri: str, barrier: Barrier, outcome: Connection, stop: Connection, patient: bool = False) -> None:
    barrier.wait(PATIENCE_SECONDS)
    run_dir = Store(uri).run_dir(RUN_ID)
    while True:
        try:
            with run_dir.acquire_lease():
                outcome.send(True)
                stop.poll(PATIENCE_SECONDS)
            return
        except LeaseHeld as held:
            if held.renewed or not patient:
                outcome.send(False)
                return


def test_one_process_acquires_the_lease_and_killing_it_frees_the_run(tmp_path: Path) -> None:
    uri = str(tmp_path)
    for _ in range(3):
        barrier = fork.Barrier(CONTENDERS)
        pipes = [(fork.Pipe(duplex=False), fork.Pipe(duplex=False)) for _ in range(CONTENDERS)]
        processes = [fork.Process(target=_contend, args=(uri, barrier, outcome[1], stop[0])) for outcome, stop in pipes]
        for process in processes:
            process.start()
        won = []
        for process, (outcome, _) in zip(processes, pipes, strict=True):
            assert outcome[0].poll(PATIENCE_SECONDS)
            if outcome[0].recv():
                won.append(process)
        assert len(won) == 1
        with pytest.raises(LeaseHeld):
            Store(uri).run_dir(RUN_ID).acquire_lease()
        assert won[0].pid is not None
        os.kill(won[0].pid, signal.SIGKILL)
        for process in processes:
            process.join()
        assert Store(uri).states([RUN_ID])[RUN_ID].kind == "missing"


def test_one_process_takes_over_a_stale_lease(tmp_path: Path) -> None:
    uri = str(tmp_path)
    # The contenders have to watch this lease of a dead process on another machine for a fifth of a second.
    acquire(open_files(uri).under(f"runs/{RUN_ID}"), elsewhere(), heartbeat_seconds=None, stale_seconds=0.2)
    barrier = fork.Barrier(CONTENDERS)
    pipes = [(fork.Pipe(duplex=False), fork.Pipe(duplex=False)) for _ in range(CONTENDERS)]
    processes = [
        fork.Process(target=_contend, args=(uri, barrier, outcome[1], stop[0], True)) for outcome, stop in pipes
    ]
    for process in processes:
        process.start()
    assert all(outcome[0].poll(PATIENCE_SECONDS) for outcome, _ in pipes)
    assert sum(outcome[0].recv() for outcome, _ in pipes) == 1
    for process, (_, stop) in zip(processes, pipes, strict=True):
        stop[1].send(None)
        process.join()
    Store(uri).run_dir(RUN_ID).acquire_lease().release()
