"""The JSON documents of a run directory: compatible with release 0.1, and refused when they are damaged."""

from __future__ import annotations

import json
import math

import pytest

from clt_ray.store import (
    ErrorRecord,
    JudgeDocument,
    LeaseDocument,
    PeakMemory,
    ResultDocument,
    RunDir,
    StatusDocument,
    StoreError,
)
from clt_ray.store.documents import Document, MarkerDocument, decode_run, encode_run
from tests.support.store_cases import FROZEN, frozen_result

FROZEN_KINDS: dict[str, type[Document]] = {
    "status.json": StatusDocument,
    "status-failed.json": StatusDocument,
    "result.json": ResultDocument,
    "lease.json": LeaseDocument,
    "COMPLETE.json": MarkerDocument,
    "judge/judge.json": JudgeDocument,
}

STATUS = StatusDocument(state="running", attempt=1, updated=1.5, stage="train", step=3, total_steps=9, loss=2.5)


@pytest.mark.parametrize("name", FROZEN_KINDS)
def test_documents_of_release_0_1_are_read_and_written_alike(name: str) -> None:
    content = (FROZEN / name).read_bytes()
    assert FROZEN_KINDS[name].decode(content, name).encode() == content


def test_run_of_release_0_1_is_read_and_written_alike() -> None:
    content = (FROZEN / "run.json").read_bytes()
    run = decode_run(content, "run.json")
    # The order of a model's keys follows the fields of its class, which may change.
    assert json.loads(encode_run(run)) == json.loads(content)
    assert run.run_id == frozen_result().run_id


def test_failure_that_release_0_1_recorded_for_a_killed_process_is_read() -> None:
    status = StatusDocument.decode((FROZEN / "status-killed.json").read_bytes(), "status.json")
    assert (status.state, status.attempt, status.stage, status.step) == ("failed", 0, "start", 0)
    assert (status.updated, status.total_steps) == (None, None)
    assert status.error == ErrorRecord(type="TrainingFailedError", message="The worker died.", permanent=False)


def test_values_of_the_frozen_documents_are_typed() -> None:
    result = frozen_result()
    assert (result.selection.chosen.step, len(result.selection.runners_up)) == (8, 3)
    assert result.seconds.total == pytest.approx(3.378, abs=1e-3)
    assert result.dropped_rows == {"math/train/ja": {"longer than max_length": 2}}
    assert result.peak_memory is None
    failed = StatusDocument.decode((FROZEN / "status-failed.json").read_bytes(), "status.json")
    assert failed.error is not None and failed.error.line.startswith("RunError: training loss is nan")
    assert failed.loss is not None and math.isnan(failed.loss)


def test_run_directory_keeps_documents(run_dir: RunDir) -> None:
    assert (run_dir.run(), run_dir.status(), run_dir.result(), run_dir.judge()) == (None, None, None, None)
    assert not run_dir.is_finished()
    run = decode_run((FROZEN / "run.json").read_bytes(), "run.json")
    judge = JudgeDocument.decode((FROZEN / "judge" / "judge.json").read_bytes(), "judge.json")
    run_dir.write_run(run)
    run_dir.write_status(STATUS)
    run_dir.write_result(frozen_result())
    run_dir.write_judge(judge)
    assert (run_dir.run(), run_dir.status(), run_dir.result(), run_dir.judge()) == (run, STATUS, frozen_result(), judge)
    assert run_dir.is_finished()


def test_text_of_any_script_is_written_as_it_is(run_dir: RunDir) -> None:
    error = ErrorRecord(type="RunError", message="テスト", permanent=False)
    run_dir.write_status(StatusDocument(state="failed", attempt=1, error=error, stage="data", step=0))
    assert "テスト" in run_dir.read_text("status.json")
    status = run_dir.status()
    assert status is not None and status.error == error


def test_keys_added_since_0_1_are_written_when_they_have_a_value() -> None:
    result = ResultDocument(**{**vars(frozen_result()), "peak_memory": PeakMemory(host_bytes=7)})
    assert json.loads(result.encode())["peak_memory"] == {"host_bytes": 7}
    assert ResultDocument.decode(result.encode(), "result.json") == result


def test_keys_of_a_later_release_are_ignored() -> None:
    later = json.dumps({**json.loads(STATUS.encode()), "temperature": 21.5}).encode()
    assert StatusDocument.decode(later, "status.json") == STATUS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"half":', "Invalid JSON"),
        ("[1]", "the content: .*found"),
        ("{}", "Field required"),
        ('{"state": "asleep", "attempt": 1, "stage": "train", "step": 3}', "state: .*'running', .*found 'asleep'"),
        ('{"state": "running", "attempt": 1, "stage": "train", "step": "3"}', "step: .*integer, found '3'"),
        ('{"state": "failed", "attempt": 1, "stage": "train", "step": 3, "error": {"type": "E", "permanent": true}}',
         "error.message: Field required"),
    ],
)  # fmt: skip
def test_damaged_document_is_named_with_its_key(run_dir: RunDir, text: str, reason: str) -> None:
    run_dir.write_text("status.json", text)
    with pytest.raises(StoreError, match=rf"{run_dir.uri}/status\.json is not .*: {reason}"):
        run_dir.status()


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '{"model": 3}', "null"])
def test_damaged_run_is_named(run_dir: RunDir, text: str) -> None:
    run_dir.write_text("run.json", text)
    with pytest.raises(StoreError, match=r"run\.json is not a run"):
        run_dir.run()
