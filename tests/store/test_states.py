"""The state of a run follows from the files of its directory."""

from __future__ import annotations

import pytest

from clt_ray.store import ErrorRecord, StatusDocument, Store
from clt_ray.sweep.plan import RunStatus
from tests.support.store_cases import RUN_ID, ManualClock, frozen_result


def kind(store: Store) -> str:
    return store.states([RUN_ID])[RUN_ID].kind


def test_life_of_a_run(store: Store, clock: ManualClock) -> None:
    run_dir = store.run_dir(RUN_ID)
    assert store.states([RUN_ID]) == {RUN_ID: RunStatus("missing")}
    with run_dir.acquire_lease(heartbeat_seconds=None):
        assert kind(store) == "running"
        run_dir.write_status(StatusDocument(state="running", attempt=1, stage="train", step=3, total_steps=9))
        assert store.states([RUN_ID])[RUN_ID] == RunStatus("running", 3, 9)
        clock.now += 61
        assert store.states([RUN_ID])[RUN_ID] == RunStatus("interrupted", 3, 9)
    error = ErrorRecord(type="RunError", message="non-finite loss at step 4\nmore", permanent=True)
    run_dir.write_status(StatusDocument(state="failed", attempt=1, error=error, stage="train", step=4, total_steps=9))
    assert store.states([RUN_ID])[RUN_ID] == RunStatus("failed", 4, 9, "RunError: non-finite loss at step 4")
    with run_dir.acquire_lease(heartbeat_seconds=None):
        assert kind(store) == "running"
    run_dir.write_text("result.json", '{"torn')
    assert kind(store) == "failed"
    run_dir.write_result(frozen_result())
    assert kind(store) == "finished"
    assert store.run_ids() == [RUN_ID]


def test_only_what_was_asked(store: Store) -> None:
    store.run_dir("aaaa").write_result(frozen_result())
    store.run_dir("bbbb").write_result(frozen_result())
    assert {run_id: state.kind for run_id, state in store.states(["bbbb", "cccc"]).items()} == {
        "bbbb": "finished",
        "cccc": "missing",
    }
    assert store.run_ids() == ["aaaa", "bbbb"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_run_ids_are_plain_names(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="name of a run"):
        store.run_dir(name)
