"""MLflow contains what the store contains, each value once, whichever process wrote it and whatever failed before."""

from __future__ import annotations

import csv
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clt_ray.store import JudgeDocument, JudgeTokens, RunDir, Store
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import SweepTracker, TrackerUnavailable
from tests.support.lookups import assert_each_step_once, only_run, runs, steps
from tests.support.run_dirs import BEGAN, EVAL_LANGUAGES, SWEEP, Training, finished, spec


@pytest.fixture
def tracker(tracking_uri: str, store: Store) -> SweepTracker:
    return SweepTracker(tracking_uri, SWEEP, store)


def test_a_finished_run_has_params_tags_metrics_and_artifacts(tracker: SweepTracker, store: Store, client: Any) -> None:
    run = finished(store, spec("math", samples=100))
    tracker.sync([run])
    child, parent = only_run(client, SWEEP), only_run(client, SWEEP, "sweep")
    assert child.info.run_name == "tiny math all es+fr+ja+zh n 100 seed 0"
    assert child.info.status == "FINISHED"
    assert child.info.start_time == BEGAN * 1000
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["clt.run_id"] == run.run_id
    assert child.data.tags["clt.chosen_step"] == str(run.steps // 10 * 10)
    assert child.data.params["samples_per_language"] == "100"
    assert child.data.params["train_languages"] == "es+fr+ja+zh"
    assert steps(client, child, "train/loss") == list(range(1, run.steps + 1))
    assert steps(client, child, "val/math/ar/loss") == [*range(10, run.steps, 10), run.steps]
    metrics = child.data.metrics
    assert metrics["samples_per_language"] == 100
    assert {f"test/math/{code}/accuracy" for code in EVAL_LANGUAGES} < set(metrics)
    assert metrics["test/math/es/n_items"] == 20
    assert metrics["test/math/unseen"] < metrics["test/math/non_english"] < metrics["test/math/seen"]
    assert metrics["perf/evaluate_seconds"] == 6.0
    assert {file.path for file in client.list_artifacts(child.info.run_id)} == {
        "scores.csv",
        "items.csv",
        "generations",
    }
    assert len(client.list_artifacts(child.info.run_id, "generations")) == len(EVAL_LANGUAGES)


def test_a_run_without_samples_has_no_mean_over_seen_languages(
    tracker: SweepTracker, store: Store, client: Any
) -> None:
    tracker.sync([finished(store, spec("math", samples=0))])
    child = only_run(client, SWEEP)
    assert "test/math/seen" not in child.data.metrics
    assert child.data.metrics["test/math/unseen"] == child.data.metrics["test/math/non_english"]
    assert child.data.params["train_languages"] == ""
    assert child.data.params["language_group"] == "none"


def test_repeated_syncs_by_any_tracker_change_nothing(
    tracker: SweepTracker, store: Store, tracking_uri: str, client: Any
) -> None:
    finished_runs = [finished(store, spec(task)) for task in ("math", "summarization", "summarization+math")]
    tracker.sync(finished_runs)
    before = {run.info.run_id: run.to_dictionary() for run in runs(client, SWEEP)}
    tracker.sync(finished_runs)
    SweepTracker(tracking_uri, SWEEP, store).sync(finished_runs)
    assert {run.info.run_id: run.to_dictionary() for run in runs(client, SWEEP)} == before
    assert len(before) == 3
    for run in runs(client, SWEEP):
        assert_each_step_once(client, run)


def test_many_runs_that_the_tracker_does_not_know_are_found(
    tracker: SweepTracker, store: Store, tracking_uri: str, client: Any
) -> None:
    many = [finished(store, spec("math", samples=10, seed=seed)) for seed in range(22)]
    tracker.sync(many)
    SweepTracker(tracking_uri, SWEEP, store).sync(many)
    assert len(runs(client, SWEEP)) == 22


def test_a_run_shared_by_two_sweeps_is_in_both_experiments(
    tracker: SweepTracker, store: Store, tracking_uri: str, client: Any
) -> None:
    run = finished(store, spec())
    tracker.sync([run])
    SweepTracker(tracking_uri, "other", store).sync([run])
    first, second = only_run(client, SWEEP), only_run(client, "other")
    assert first.info.run_id != second.info.run_id
    assert first.data.metrics == second.data.metrics


def test_runs_that_have_not_started_need_no_connection(store: Store) -> None:
    SweepTracker("http://127.0.0.1:1", SWEEP, store).sync([spec()])


def test_a_live_run_gains_the_points_of_every_sync(
    tracker: SweepTracker, store: Store, tracking_uri: str, client: Any
) -> None:
    training = Training(store, spec())
    with training.directory.acquire_lease():
        for current in (tracker, SweepTracker(tracking_uri, SWEEP, store), tracker):
            training.advance(training.step + 12)
            current.sync([training.run])
            child = only_run(client, SWEEP)
            assert child.info.status == "RUNNING"
            assert steps(client, child, "train/loss") == list(range(1, training.step + 1))
        training.finish()
    tracker.sync([training.run])
    child = only_run(client, SWEEP)
    assert child.info.status == "FINISHED"
    assert steps(client, child, "train/loss") == list(range(1, training.run.steps + 1))
    assert_each_step_once(client, child)


def resumed(training: Training, from_step: int) -> Training:
    """Returns the training after its process died and another process resumed it from a checkpoint."""
    training.directory.truncate_metrics(after_step=from_step)
    training.step = from_step
    training.now += 1000
    return training


def test_steps_repeated_after_a_resume_are_logged_once(
    tracker: SweepTracker, store: Store, tracking_uri: str, client: Any
) -> None:
    training = Training(store, spec()).advance(25)
    tracker.sync([training.run])
    assert only_run(client, SWEEP).info.status == "KILLED"
    resumed(training, 20).advance(23)
    tracker.sync([training.run])
    SweepTracker(tracking_uri, SWEEP, store).sync([training.run])
    training.finish()
    SweepTracker(tracking_uri, SWEEP, store).sync([training.run])
    child = only_run(client, SWEEP)
    assert steps(client, child, "train/loss") == list(range(1, training.run.steps + 1))
    assert_each_step_once(client, child)


def test_a_tracker_that_died_before_it_wrote_its_tag(
    tracker: SweepTracker, store: Store, tracking_uri: str, client: Any
) -> None:
    training = Training(store, spec()).advance(12)
    tracker.sync([training.run])
    tag = only_run(client, SWEEP).data.tags["clt.mirrored"]
    training.advance(25)
    tracker.sync([training.run])
    # The state after the tracker was killed once the metrics of steps 13 to 25 were logged. The run then repeats some.
    client.set_tag(only_run(client, SWEEP).info.run_id, "clt.mirrored", tag)
    resumed(training, 20).finish()
    SweepTracker(tracking_uri, SWEEP, store).sync([training.run])
    child = only_run(client, SWEEP)
    assert steps(client, child, "val/loss") == [*range(10, training.run.steps, 10), training.run.steps]
    assert_each_step_once(client, child)


def test_a_failed_run_that_recovers_loses_its_error(tracker: SweepTracker, store: Store, client: Any) -> None:
    training = Training(store, spec()).advance(7)
    training.fail()
    tracker.sync([training.run])
    child = only_run(client, SWEEP)
    assert child.info.status == "FAILED"
    assert child.data.tags["clt.error"] == "RunError: non-finite loss at step 7"
    with training.directory.acquire_lease():
        training.advance(9)
        tracker.sync([training.run])
        assert only_run(client, SWEEP).info.status == "RUNNING"
        training.finish()
    tracker.sync([training.run])
    child = only_run(client, SWEEP)
    assert child.info.status == "FINISHED"
    assert "clt.error" not in child.data.tags


def judge(store: Store, run: RunSpec, rating: float, now: float) -> None:
    """Writes the files of a judgement in which every answer has the same rating."""
    directory = store.run_dir(run.run_id)
    header = "run_id,task,eval_language,metric,score,stderr,n_items"
    rows = [f"{run.run_id},math,{code},judge_rating,{rating},,20" for code in EVAL_LANGUAGES]
    directory.write_text("judge/scores.csv", "\n".join([header, *rows]) + "\n")
    items = 20 * len(EVAL_LANGUAGES)
    directory.write_judge(
        JudgeDocument(
            judge="tiny-0", model="tiny", answered_by={"tiny": items}, fingerprints={}, host="127.0.0.1",
            temperature=0.0, max_tokens=64, prompt_sha256="0", items=items, rated=items, unparsable={},
            wrong_language=0, tokens=JudgeTokens(prompt=0, completion=0, uncounted=0), requests_sha256="0",
            judged=now, versions={},
        )
    )  # fmt: skip


def test_judgements_after_the_last_sync_are_logged_by_the_same_tracker(
    tracker: SweepTracker, store: Store, client: Any
) -> None:
    run = finished(store, spec("math"))
    tracker.sync([run])
    assert "test/math/es/judge_rating" not in only_run(client, SWEEP).data.metrics
    for rating in (2.0, 4.0):
        judge(store, run, rating, now=BEGAN + 1000 * rating)
        tracker.sync([run])
        assert only_run(client, SWEEP).data.metrics["test/math/es/judge_rating"] == rating


def test_a_point_with_more_metrics_than_one_call_accepts(tracker: SweepTracker, store: Store, client: Any) -> None:
    training = Training(store, spec())
    training.directory.append_metrics("validation", 5, {f"val/{index}/loss": 1.0 for index in range(2000)})
    tracker.sync([training.run])
    assert sum(name.startswith("val/") for name in only_run(client, SWEEP).data.metrics) == 2000


def test_concurrent_trackers_log_everything_once(store: Store, tracking_uri: str, client: Any) -> None:
    finished_runs = [finished(store, spec(seed=seed)) for seed in range(4)]
    barrier = threading.Barrier(4)

    def sync(_: int) -> None:
        barrier.wait(60)
        SweepTracker(tracking_uri, SWEEP, store).sync(finished_runs)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sync, range(4)))
    assert len(runs(client, SWEEP)) == 4
    assert len(runs(client, SWEEP, "sweep")) == 1
    for run in runs(client, SWEEP):
        assert_each_step_once(client, run)


def test_a_run_that_a_user_deleted_is_created_again(tracker: SweepTracker, store: Store, client: Any) -> None:
    training = Training(store, spec()).advance(10)
    tracker.sync([training.run])
    client.delete_run(only_run(client, SWEEP).info.run_id)
    tracker.sync([training.run])
    assert steps(client, only_run(client, SWEEP), "train/loss") == list(range(1, 11))


def test_an_experiment_that_a_user_deleted_is_restored(tracker: SweepTracker, store: Store, client: Any) -> None:
    training = Training(store, spec()).advance(10)
    tracker.sync([training.run])
    client.delete_experiment(only_run(client, SWEEP).info.experiment_id)
    training.advance(15)
    tracker.sync([training.run])
    assert steps(client, only_run(client, SWEEP), "train/loss") == list(range(1, 16))


def test_the_parent_run_has_the_sweeps_status_and_artifacts(
    tracker: SweepTracker, store: Store, client: Any, tmp_path: Path
) -> None:
    training = Training(store, spec())
    with training.directory.acquire_lease():
        tracker.sync([training.run])
        assert only_run(client, SWEEP, "sweep").info.status == "RUNNING"
        training.finish()
    (tmp_path / "sweep.yaml").write_text("name: fabricated")
    (tmp_path / "report" / "tables").mkdir(parents=True)
    (tmp_path / "report" / "index.html").write_text("<html>")
    tracker.finish("FAILED", artifacts=[tmp_path / "sweep.yaml"])
    tracker.finish("FINISHED")
    tracker.log_report(tmp_path / "report")
    parent = only_run(client, SWEEP, "sweep")
    assert parent.info.run_name == SWEEP
    assert parent.info.status == "FINISHED"
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"sweep.yaml", "report"}


def test_artifacts_are_stored_beside_the_database(
    tracker: SweepTracker, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    tracker.sync([finished(store, spec())])
    assert os.listdir(elsewhere) == []
    assert (tmp_path / "mlartifacts" / SWEEP).is_dir()


def test_runs_in_an_object_store(tracking_uri: str, client: Any) -> None:
    store = Store("memory://tracked")
    tracker = SweepTracker(tracking_uri, SWEEP, store)
    tracker.sync([finished(store, spec())])
    assert only_run(client, SWEEP).info.status == "FINISHED"


def test_artifacts_equal_the_files_of_the_store(
    tracker: SweepTracker, store: Store, client: Any, tmp_path: Path
) -> None:
    run = finished(store, spec())
    tracker.sync([run])
    path = client.download_artifacts(only_run(client, SWEEP).info.run_id, "scores.csv", str(tmp_path))
    directory: RunDir = store.run_dir(run.run_id)
    assert Path(path).read_text() == directory.read_text("scores.csv")
    assert len(list(csv.DictReader(io.StringIO(directory.read_text("scores.csv"))))) == len(EVAL_LANGUAGES)


def test_an_unusable_database_is_an_outage(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database")
    run = finished(store, spec())
    with pytest.raises(TrackerUnavailable, match=r"mlflow\.db"):
        SweepTracker(f"sqlite:///{tmp_path}/mlflow.db", SWEEP, store).sync([run])
