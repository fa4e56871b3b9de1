"""The order of a sweep's missing runs, from the scores in the store to the trials of Ray Tune."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pandas as pd
import pytest
from ray.tune.search import Searcher

from clt_ray.cli import main
from clt_ray.orchestration.queue import Limits, RunQueue, pool
from clt_ray.orchestration.tune_hooks import RunSearcher
from clt_ray.run_order import StoreOrder, observe
from clt_ray.store import StageSeconds, StatusDocument, Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import HardwareSpec
from tests.support.commands import clt_ray
from tests.support.run_dirs import result
from tests.support.sweeps import sweep, write

SIZES = [0, 2, 4, 8, 16, 32]
LIMITS = {pool(HardwareSpec()): Limits(1)}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunSpec, ...]:
    grid = {"model": ["tiny"], "task": ["math"], "language_group": ["all"], "samples_per_language": SIZES}
    return expand(load_sweep(write(tmp_path / "sweep.yaml", sweep(grid=grid))))


def finish(storage: Path, run: RunSpec, score: float) -> None:
    """Writes the files of a finished run that the order reads."""
    directory = Store(str(storage)).run_dir(run.run_id)
    rows = [
        {"run_id": run.run_id, "model": "tiny", "setting": "single", "task": "math",
         "language_group": run.language_group, "train_languages": "+".join(run.train_languages),
         "samples_per_language": run.samples_per_language, "seed": 0, "eval_language": code, "metric": metric,
         "score": value, "stderr": 0.001, "n_items": 1000}
        for code in ("en", "es", "ja", "ko") for metric, value in (("accuracy", score), ("fidelity", 1.0))
    ]  # fmt: skip
    directory.write_text("scores.csv", pd.DataFrame(rows).to_csv(index=False))
    directory.write_status(StatusDocument(state="finished", attempt=1, updated=1.0, stage="evaluate", step=2))
    directory.write_result(result(run, 2, StageSeconds(train=1.0, evaluate=1.0)))


def test_every_run_is_suggested_exactly_once(tmp_path: Path, runs: tuple[RunSpec, ...]) -> None:
    order = StoreOrder(runs, Store(str(tmp_path)), informative=True, stop_at_plateau=False)
    queue = RunQueue(runs, order)
    search = RunSearcher(lambda: (queue.next(LIMITS), 0, queue.done))
    cells = []
    for trial in range(len(runs)):
        cells.append(search.suggest(str(trial))["cell"])
        queue.ended(cells[-1]["run_id"], "finished")
    assert {cell["run_id"] for cell in cells} == {run.run_id for run in runs}
    assert search.suggest("more") == Searcher.FINISHED
    assert [cell["samples_per_language"] for cell in cells] != SIZES
    assert order.skipped == {}
    copied = pickle.loads(pickle.dumps(search))
    assert copied.suggest("x") == Searcher.FINISHED
    search.save(str(tmp_path / "state"))
    copied.restore(str(tmp_path / "state"))


def test_runs_beyond_a_plateau_are_left_out_with_the_reason(tmp_path: Path, runs: tuple[RunSpec, ...]) -> None:
    store = Store(str(tmp_path))
    for run in runs[:3]:
        finish(tmp_path, run, 0.5 if run.samples_per_language else 0.2)
    order = StoreOrder(runs, store, informative=False, stop_at_plateau=True)
    queue = RunQueue(runs[3:], order)
    first = queue.next(LIMITS)
    assert first is not None and first.samples_per_language == 8 and not order.skipped
    finish(tmp_path, runs[3], 0.5)
    queue.ended(first.run_id, "finished")
    assert queue.next(LIMITS) is None and queue.done
    assert set(order.skipped) == {runs[4].run_id, runs[5].run_id}
    assert "beyond the plateau" in order.skipped[runs[5].run_id]


def test_an_observation_is_the_mean_of_the_primary_metric_without_english() -> None:
    rows = [
        {"task": "instruction", "eval_language": code, "metric": metric, "score": score, "stderr": error}
        for code, metric, score, error in (
            ("en", "judge_rating", "5", "0.4"), ("es", "judge_rating", "3", "0.4"), ("ja", "judge_rating", "2", "0.4"),
            ("es", "reference_chrf", "0.1", "0.01"),
        )
    ]  # fmt: skip
    observation = observe(rows)["instruction"]
    assert observation.score == pytest.approx((0.5 + 0.25) / 2)
    assert observation.variance == pytest.approx(2 * 0.1**2 / 4)
    assert observe([]) == {}


def test_the_finished_runs_of_a_sweep_are_evidence_for_advice(
    tmp_path: Path, runs: tuple[RunSpec, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for run in runs[:-1]:
        finish(tmp_path / "store", run, 0.5 if run.samples_per_language else 0.2)
    arguments = ["advise", str(tmp_path / "sweep.yaml"), "--task", "math", "--model", "tiny"]
    assert main([*arguments, "--storage", str(tmp_path / "store"), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["options"][0]
    assert best["samples_per_language"] == 2 and best["total_samples"] == 4
    assert [row["run_ids"] for row in best["evidence"]] == [[run.run_id] for run in runs[:-1]]


@pytest.mark.serial
def test_a_sweep_executes_the_informative_runs_and_names_the_skipped_ones(tmp_path: Path) -> None:
    changes = {
        "grid": {"model": ["tiny"], "task": ["math"], "language_group": ["all"], "samples_per_language": SIZES},
        "include": [{"language_group": "other", "samples_per_language": 2}],
        "language_groups": {"all": ["es", "ja"], "other": ["ko"]},
        "training": {"max_steps": 2},
    }
    path, storage = write(tmp_path / "sweep.yaml", sweep(**changes)), tmp_path / "store"
    by_size = {(run.language_group, run.samples_per_language): run for run in expand(load_sweep(path))}
    for size in SIZES[:4]:
        finish(storage, by_size["all" if size else "none", size], 0.5 if size else 0.2)
    completed = clt_ray("run", path, "--order", "informative", "--stop-at-plateau", storage=storage)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "5 of 7 runs finished" in completed.stdout
    for size in SIZES[4:]:
        assert (
            f"skipped: {by_size['all', size].name} ({by_size['all', size].run_id}): beyond the plateau"
            in completed.stdout
        )
        assert not (storage / "runs" / by_size["all", size].run_id).exists()
    assert "or the 2 skipped runs: clt-ray run" in completed.stdout
    assert (storage / "runs" / by_size["other", 2].run_id / "scores.csv").exists()
