"""A run that is asked to stop writes a checkpoint at once, and continues as if it had not been asked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from clt_ray.errors import RunStopped
from clt_ray.store import RunDir, Store
from clt_ray.sweep.plan import decide
from clt_ray.sweep.run import RunSpec
from clt_ray.training.checkpoints import steps_of
from tests.support.processes import assert_equal_runs, execute_in_processes, outcomes, wait_until
from tests.support.trained import Requests, last_run, quiet, recorded, train_run

PROCESSES = [1, 2]


def long_run(folder: Path) -> RunSpec:
    """A run of 24 steps that logs at every tenth."""
    return last_run(folder, training={"epochs": 6, "eval_every": 10})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[int, RunDir]:
    """Directories of the same run without interruption, by number of processes."""
    directories = {}
    for processes in PROCESSES:
        folder = tmp_path_factory.mktemp("unbroken")
        run = long_run(folder)
        context = execute_in_processes(run, folder, processes)
        assert outcomes(context, folder) == ["finished"] * processes
        directories[processes] = Store(str(folder / "store")).run_dir(run.run_id)
    return directories


def stop(run: RunSpec, folder: Path, processes: int, signalled: int | None) -> RunDir:
    """Executes a run until it has logged once and is asked to stop: by a signal to a process, or by stop.json."""
    store = Store(str(folder / "store"))
    directory = store.run_dir(run.run_id)
    # An attempt does not obey the request to an earlier one.
    directory.request_stop("an old reason")
    context = execute_in_processes(run, folder, processes)
    wait_until(lambda: directory.metrics("train"), context)
    if signalled is None:
        directory.request_stop("the cluster shrinks")
    else:
        os.kill(context.pids()[signalled], signal.SIGTERM)
    assert outcomes(context, folder) == ["stopped"] * processes
    return directory


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "signalled", "reason"),
    [(1, 0, "SIGTERM"), (1, None, "the cluster shrinks"), (2, None, "the cluster shrinks"), (2, 1, "another process")],
)
def test_a_stopped_run_equals_an_unbroken_one(
    unbroken: dict[int, RunDir], tmp_path: Path, processes: int, signalled: int | None, reason: str
) -> None:
    run = long_run(tmp_path)
    directory = stop(run, tmp_path, processes, signalled)
    status = directory.status()
    assert status is not None and status.state == "running" and reason in (status.stopped or "")
    state = Store(str(tmp_path / "store")).states([run.run_id])[run.run_id]
    assert state.kind == "interrupted" and reason in (state.error or "")
    assert decide(state)[0] == "resume" and reason in decide(state)[1]
    (step,) = steps_of(directory, "resume") & steps_of(directory, "weights") - {10, 20}
    assert 10 < step < run.steps

    assert outcomes(execute_in_processes(run, tmp_path, processes), tmp_path) == ["finished"] * processes
    assert_equal_runs(directory, unbroken[processes])
    status = directory.status()
    assert status is not None and (status.state, status.attempt, status.stopped) == ("finished", 2, None)
    assert directory.stop_request() is None


def test_repeated_stops_keep_the_last_two_resume_points_and_the_best_weights(tmp_path: Path) -> None:
    run = last_run(tmp_path, training={"eval_every": 4})
    whole, directory = (Store(str(tmp_path / name)).run_dir(run.run_id) for name in ("whole", "stopped"))
    selection = train_run(run, whole, tmp_path / "staging", quiet)
    points: list[int] = []
    for step in (1, 2, 3):
        with pytest.raises(RunStopped, match=f"after step {step}"):
            train_run(run, directory, tmp_path / "staging", quiet, supervisor=Requests({1}))
        points.append(step)
        assert steps_of(directory, "resume") == steps_of(directory, "weights") == set(points[-2:])
    # It validates after its next step, and then has to keep the weights of that step, too.
    with pytest.raises(RunStopped, match="after step 5"):
        train_run(run, directory, tmp_path / "staging", quiet, supervisor=Requests({4}))
    assert steps_of(directory, "resume") == {4, 5}
    assert train_run(run, directory, tmp_path / "staging", quiet) == selection
    assert recorded(directory, "validation") == recorded(whole, "validation")
    assert recorded(directory, "train") == recorded(whole, "train")


def test_a_run_that_is_asked_before_its_first_step_takes_none(tmp_path: Path) -> None:
    run = last_run(tmp_path)
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with pytest.raises(RunStopped, match="before its first step"):
        train_run(run, directory, tmp_path / "staging", quiet, supervisor=Requests({0}))
    assert directory.names() == []
