"""Overrides reach every verb alike: a report or a page under another name works on the experiment of that name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import clt_ray
from clt_ray.cli import main
from clt_ray.tracking.client import connect
from clt_ray.verbs import ui
from tests.support.lookups import runs as mlflow_runs
from tests.support.run_dirs import Training
from tests.support.sweeps import sweep, write


@pytest.fixture
def renamed(tmp_path: Path) -> clt_ray.OpenSweep:
    """A finished sweep whose name is overridden."""
    file = write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [0]}))
    opened = clt_ray.open_sweep(file, overrides=["name=renamed"], storage=str(tmp_path / "store"))
    for run in opened.runs:
        Training(opened.store, run).advance(run.steps).finish()
    return opened


def test_a_report_works_on_the_overridden_experiment(renamed: clt_ray.OpenSweep) -> None:
    arguments = [renamed.file, "--set", "name=renamed", "--storage", renamed.locations.storage]
    assert main(["report", *arguments]) == 0
    client = connect(renamed.locations.tracking_uri)
    assert client.get_experiment_by_name("test") is None
    (parent,) = mlflow_runs(client, "renamed", kind="sweep")
    assert [artifact.path for artifact in client.list_artifacts(parent.info.run_id)] == ["report"]
    assert Path(renamed.locations.storage, "reports", "renamed", "index.html").is_file()


def test_the_ui_opens_the_overridden_experiment(
    renamed: clt_ray.OpenSweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed.tracker.sync(renamed.runs)
    # The server itself is not started: any command that ends stands for it.
    monkeypatch.setattr("clt_ray.verbs.ui.ui_command", lambda uri, port: [sys.executable, "-c", ""])
    arguments = [renamed.file, "--set", "name=renamed", "--storage", renamed.locations.storage]
    assert main(["ui", *arguments]) == 0
    client = connect(renamed.locations.tracking_uri)
    experiment = client.get_experiment_by_name("renamed").experiment_id
    assert f"MLflow UI of renamed: http://127.0.0.1:{ui.DEFAULT_PORT}/#/experiments/{experiment}" in (
        capsys.readouterr().out
    )


def test_several_sweeps_report_all_problems_of_all_files(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.yaml", sweep(seeds=[name])) for name in ("a", "b")]
    command = [sys.executable, "-m", "clt_ray", "plan", *files]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert all(file in shown.stderr for file in files) and "2 problems" in shown.stderr
