"""Whole sweeps through the command line, on a real local Ray with a real MLflow store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.commands import Holder, Killable, clt_ray, kill_lease_holder
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.serial

KEYS = ["run_id", "task", "eval_language", "metric"]


def scores(storage: Path) -> pd.DataFrame:
    """Returns all scores of a store, in a fixed order."""
    tables = [pd.read_csv(path) for path in sorted(storage.glob("runs/*/scores.csv"))]
    return pd.concat(tables).sort_values(KEYS, ignore_index=True)


def validations(storage: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns step and metrics of every validation in a store, by run id."""
    points = {}
    for path in storage.glob("runs/*/validation.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        points[path.parent.name] = [{"step": line["step"], "metrics": line["metrics"]} for line in lines]
    return points


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The file and the storage of a sweep that ran without interruption."""
    folder = tmp_path_factory.mktemp("unbroken")
    path = write(folder / "sweep.yaml", sweep())
    result = clt_ray("run", path, storage=folder / "store")
    assert result.returncode == 0, result.stdout + result.stderr
    return path, folder / "store"


def test_a_sweep_leaves_scores_for_every_run_and_language(unbroken: tuple[str, Path]) -> None:
    _, storage = unbroken
    table = scores(storage)
    assert table.run_id.nunique() == 2
    assert set(table.eval_language) == {"en", "es", "ja", "ko"}
    assert (table.n_items == 6).all()
    for run_id in table.run_id.unique():
        assert len((storage / "runs" / run_id / "generations" / "math.ja.jsonl").read_text().splitlines()) == 6


def test_mlflow_has_one_child_per_run_with_the_logged_metrics(unbroken: tuple[str, Path]) -> None:
    from mlflow import MlflowClient

    _, storage = unbroken
    client = MlflowClient(f"sqlite:///{storage}/mlflow.db")
    experiment = client.get_experiment_by_name("test")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    children = {run.data.tags["clt.run_id"]: run for run in runs if "clt.run_id" in run.data.tags}
    assert len(runs) == len(children) + 1
    table = scores(storage)
    assert set(children) == set(table.run_id)
    for run_id, child in children.items():
        assert child.info.status == "FINISHED"
        history = client.get_metric_history(child.info.run_id, "val/loss")
        recorded = validations(storage)[run_id]
        assert [point.step for point in history] == [point["step"] for point in recorded]
        row = table[(table.run_id == run_id) & (table.eval_language == "ja") & (table.metric == "accuracy")]
        assert child.data.metrics["test/math/ja/accuracy"] == pytest.approx(row.score.item())


def test_running_again_does_nothing(unbroken: tuple[str, Path]) -> None:
    path, storage = unbroken
    before = {file: file.stat().st_mtime_ns for file in storage.glob("runs/**/*") if file.is_file()}
    repeated = clt_ray("run", path, storage=storage)
    assert repeated.returncode == 0 and "nothing to do" in repeated.stdout
    assert {file: file.stat().st_mtime_ns for file in storage.glob("runs/**/*") if file.is_file()} == before


def test_a_grown_grid_under_another_name_trains_only_the_new_run(unbroken: tuple[str, Path], tmp_path: Path) -> None:
    storage = tmp_path / "store"
    shutil.copytree(unbroken[1], storage)
    grown = write(tmp_path / "grown.yaml", sweep(name="grown", grid={"samples_per_language": [0, 4, 8]}))
    planned = json.loads(clt_ray("plan", grown, "--json", storage=storage).stdout)
    assert [run["action"] for run in planned["runs"]] == ["skip", "run", "skip"]
    result = clt_ray("run", grown, storage=storage)
    assert result.returncode == 0, result.stdout + result.stderr
    assert sum(line.startswith("finished") for line in result.stdout.splitlines()) == 1
    assert len(list(storage.glob("runs/*/result.json"))) == 3
    status = json.loads(clt_ray("status", grown, "--json", storage=storage).stdout)
    assert all(run["state"] == "finished" for run in status["runs"])


def test_best_and_export_give_the_chosen_checkpoint(unbroken: tuple[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path, storage = unbroken
    chosen = json.loads(clt_ray("best", path, "--json", storage=storage).stdout)[0]
    recorded = validations(storage)[chosen["run_id"]]
    assert chosen["selection"]["chosen"]["value"] == min(point["metrics"]["val/loss"] for point in recorded)
    out = tmp_path / "export"
    assert clt_ray("export", chosen["run_id"], str(out), storage=storage).returncode == 0
    assert AutoModelForCausalLM.from_pretrained(out).num_parameters() > 0
    assert AutoTokenizer.from_pretrained(out).eos_token_id is not None
    assert clt_ray("export", chosen["run_id"], str(out), storage=storage).returncode == 2


def test_killing_the_training_process_changes_nothing(unbroken: tuple[str, Path], tmp_path: Path) -> None:
    path, reference = unbroken
    storage = tmp_path / "store"
    running = Killable("run", path, storage=storage)
    kill_lease_holder(storage, running.wait_for_stage("train", storage))
    output = running.output()
    assert running.process.returncode == 0, output
    pd.testing.assert_frame_equal(scores(storage), scores(reference))


def test_a_command_that_is_killed_three_times_loses_nothing(unbroken: tuple[str, Path], tmp_path: Path) -> None:
    path, reference = unbroken
    storage = tmp_path / "store"
    for moment, everything in (("data", False), ("train", True), ("finished", False)):
        running = Killable("run", path, storage=storage)
        running.wait_for_stage(moment, storage)
        running.kill_everything() if everything else running.kill_driver()
    result = clt_ray("run", path, storage=storage)
    assert result.returncode == 0, result.stdout + result.stderr
    pd.testing.assert_frame_equal(scores(storage), scores(reference))
    assert validations(storage) == validations(reference)


def test_a_run_whose_process_dies_while_others_train_is_taken_over(unbroken: tuple[str, Path], tmp_path: Path) -> None:
    path, reference = unbroken
    storage = tmp_path / "store"
    planned = json.loads(clt_ray("plan", path, "--json", storage=storage).stdout)["runs"]
    held, other = (run["run_id"] for run in planned)
    with Holder(storage, held) as holder:
        running = Killable("run", path, storage=storage)
        assert running.wait_for_stage("train", storage, other) == other
        holder.kill()
        output = running.output()
    assert running.process.returncode == 0, output
    assert "1 to run, 1 blocked" in output and "[0 of 2 done, 1 running" in output
    pd.testing.assert_frame_equal(scores(storage), scores(reference))


@pytest.fixture(scope="module")
def untracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    """A sweep of one run in two processes while MLflow is down: its file, its storage and what the command said."""
    folder = tmp_path_factory.mktemp("untracked")
    document = sweep(grid={"samples_per_language": [8]}, hardware={"accelerator": "CPU", "workers": 2})
    path, storage = write(folder / "sweep.yaml", document), folder / "store"
    result = clt_ray("run", path, "--tracking-uri", "http://user:s3cret@127.0.0.1:9", storage=storage)
    assert result.returncode == 0, result.stdout + result.stderr
    return path, storage, result.stdout + result.stderr


def test_two_processes_train_one_run_as_one_process_does(
    unbroken: tuple[str, Path], untracked: tuple[str, Path, str]
) -> None:
    for run_id, points in validations(untracked[1]).items():
        single_process = validations(unbroken[1])[run_id]
        assert [point["step"] for point in points] == [point["step"] for point in single_process]
        # Sums over two processes are rounded differently, and the optimizer multiplies the difference by about five
        # every other step.
        tolerances = [1e-5, *[1e-3] * (len(points) - 1)]
        for point, expected, tolerance in zip(points, single_process, tolerances, strict=True):
            assert point["metrics"] == pytest.approx(expected["metrics"], rel=tolerance)


def test_a_tracker_that_is_down_costs_nothing(untracked: tuple[str, Path, str]) -> None:
    path, storage, said = untracked
    assert "MLflow is not up to date" in said and "s3cret" not in said
    assert len(scores(storage)) > 0
    later = clt_ray("run", path, storage=storage)
    assert later.returncode == 0 and "nothing to do" in later.stdout

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{storage}/mlflow.db")
    experiment = client.get_experiment_by_name("test")
    assert experiment is not None
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}


def test_a_run_that_cannot_work_fails_with_its_real_error(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sweep.yaml", sweep(name="diverges", training={"learning_rate": 1e12, "max_grad_norm": None})
    )
    result = clt_ray("run", path, storage=tmp_path / "store")
    assert result.returncode == 1
    assert "the update was not made" in result.stdout
    status = clt_ray("status", path, storage=tmp_path / "store")
    assert status.returncode == 1 and "failed" in status.stdout
    status_json = json.loads(clt_ray("status", path, "--json", storage=tmp_path / "store").stdout)
    assert all("the update was not made" in run["error"] for run in status_json["runs"])
