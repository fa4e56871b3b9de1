"""Looking at many runs in an object store takes few requests, however far away the store is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.store import LeaseDocument, Owner, StatusDocument
from clt_ray.verbs.status import status
from tests.support.storage_servers import ObjectStore
from tests.support.store_cases import frozen_result
from tests.support.sweeps import sweep, write

FIRST_LETTERS = 16
"""Different first letters of run ids."""
FINISHED, RUNNING, INTERRUPTED, WAITING, MISSING = 70, 4, 3, 2, 1


@pytest.fixture
def opened(object_store: ObjectStore, tmp_path: Path) -> OpenSweep:
    """A sweep in an object store; the first runs are finished, the next ones are running, and so on."""
    total = FINISHED + RUNNING + INTERRUPTED + WAITING + MISSING
    file = write(tmp_path / "many.yaml", sweep(grid={"samples_per_language": [0]}, seeds=list(range(total))))
    opened = open_sweep(file, storage=object_store.new_uri())
    kinds = [("finished", FINISHED), ("running", RUNNING), ("interrupted", INTERRUPTED), ("waiting", WAITING)]
    kind_of = [kind for kind, count in kinds for _ in range(count)]
    elsewhere = replace(Owner.current(), host="elsewhere")
    lease = LeaseDocument(elsewhere, "t", time.time(), time.time() + 1e6, 60.0, epoch=1, base=1)
    for run, kind in zip(opened.runs, kind_of, strict=False):
        directory = opened.store.run_dir(run.run_id)
        if kind == "waiting":
            directory.note_wait("1 worker with 1 CPU", time.time())
            continue
        directory.write_text(LeaseDocument.FILE, replace(lease, heartbeat=1e12 * (kind == "running")).encode().decode())
        directory.write_status(StatusDocument(state="running", attempt=1, stage="train", step=3, total_steps=6))
        directory.write_text("checkpoints/weights-000003@1/model.safetensors", "x" * 1000)
        if kind == "finished":
            directory.write_result(frozen_result())
    return opened


def requests(object_store: ObjectStore, opened: OpenSweep) -> int:
    before = len(object_store.proxy.requests)
    seen = status(opened)
    counts = {kind: seen.count(kind) for kind in ("finished", "running", "interrupted", "waiting")}
    expected = {"finished": FINISHED, "running": RUNNING, "interrupted": INTERRUPTED, "waiting": WAITING + MISSING}
    assert counts == expected
    assert seen.eta_seconds is not None
    assert seen.disk.weights_bytes == 1000 * (FINISHED + RUNNING + INTERRUPTED)
    return len(object_store.proxy.requests) - before


def test_status_lists_the_store_and_reads_only_what_is_not_finished(
    object_store: ObjectStore, opened: OpenSweep
) -> None:
    listings = 1 + FIRST_LETTERS
    documents = 2 * (RUNNING + INTERRUPTED) + WAITING
    pace = 64
    assert requests(object_store, opened) <= listings + documents + pace


def test_states_for_a_plan_read_every_result(object_store: ObjectStore, opened: OpenSweep) -> None:
    store, run_ids = opened.store, [run.run_id for run in opened.runs]
    finished = store.run_dir(run_ids[0])
    finished.write_text("result.json", finished.read_text("result.json").replace('"', "'"))
    assert status(opened).count("finished") == FINISHED
    before = len(object_store.proxy.requests)
    states = store.states(run_ids)
    assert sum(state.kind == "finished" for state in states.values()) == FINISHED - 1
    unfinished = RUNNING + INTERRUPTED + WAITING + 1
    assert len(object_store.proxy.requests) - before <= 1 + FINISHED + 4 * unfinished
