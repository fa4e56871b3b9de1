"""The pilot of a sweep is a sweep of its own: it ends well, says what it measured, and leaves the full sweep alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import clt_ray
from clt_ray.pilot import summarise
from clt_ray.tracking.client import connect
from tests.support.commands import clt_ray as run_verb
from tests.support.lookups import runs as mlflow_runs
from tests.support.run_dirs import Training
from tests.support.sweeps import sweep, write

GRID = {"samples_per_language": [0, 4, 8]}


def test_a_pilot_has_the_extreme_runs_shortened(tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep(grid=GRID))
    full, pilot = clt_ray.open_sweep(file), clt_ray.open_sweep(file, pilot=True)
    assert (full.name, pilot.name) == ("test", "test-pilot")
    assert [run.samples_per_language for run in pilot.runs] == [0, 8]
    assert {run.steps for run in pilot.runs} == {4} and min(run.steps for run in full.runs) > 4
    assert not {run.run_id for run in pilot.runs} & {run.run_id for run in full.runs}
    assert [cell.run for cell in pilot.cells] == list(pilot.runs)


def test_the_estimate_for_the_full_sweep_is_made_of_what_the_pilot_measured(tmp_path: Path) -> None:
    """With equal runs, the estimate is steps x seconds per step + validations x their seconds + evaluation."""
    document = sweep(grid=GRID, training={"eval_every": 10})
    pilot = clt_ray.open_sweep(write(tmp_path / "sweep.yaml", document), storage=str(tmp_path / "store"), pilot=True)
    for run in pilot.runs:
        Training(pilot.store, run).advance(run.steps).finish()
    summary = summarise(pilot)
    assert pilot.pilot_of is not None
    assert summary.full_runs == len(pilot.pilot_of.runs) == 3
    (row,) = summary.measurements
    results = [pilot.store.run_dir(run.run_id).result() for run in pilot.runs]
    expected = 0.0
    for run in pilot.pilot_of.runs:
        rest = [
            max(result.seconds.train - row.step_seconds * short.steps, 0) / 2
            for result, short in zip(results, pilot.runs, strict=True)
            if result
        ]
        evaluation = [result.seconds.evaluate for result in results if result]
        validations = -(-run.steps // 10)
        expected += run.steps * row.step_seconds + validations * sum(rest) / 2 + sum(evaluation) / 2
    assert summary.full_run_hours == pytest.approx(expected / 3600)
    assert summary.full_chip_hours is None and row.planned_step_seconds is None


@pytest.mark.serial
def test_a_finished_pilot_exits_0_and_leaves_the_full_sweep_alone(tmp_path: Path) -> None:
    file, storage = write(tmp_path / "sweep.yaml", sweep(grid=GRID)), tmp_path / "store"
    done = run_verb("run", file, "--pilot", storage=storage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 runs finished, 0 failed" in done.stdout
    assert "s/step" in done.stdout and "the full sweep test: 3 runs, about " in done.stdout
    assert done.stdout.rstrip().endswith("(the full sweep)") and f"next: clt-ray run {file} " in done.stdout

    pilot = clt_ray.open_sweep(file, storage=str(storage), pilot=True)
    (row,) = summarise(pilot).measurements
    assert row.step_seconds > 0 and row.tokens_per_second > 0 and (row.host_memory_bytes or 0) > 2**20
    client = connect(pilot.locations.tracking_uri)
    (parent,) = mlflow_runs(client, "test-pilot", kind="sweep")
    assert parent.info.status == "FINISHED"
    assert client.get_experiment_by_name("test") is None

    again = run_verb("run", file, "--pilot", storage=storage)
    assert again.returncode == 0 and "nothing to do" in again.stdout and "the full sweep test" in again.stdout
    status = json.loads(run_verb("status", file, "--pilot", "--json", storage=storage).stdout)
    assert [run["state"] for run in status["runs"]] == ["finished"] * 2
    assert run_verb("status", file, storage=storage).returncode == 3
