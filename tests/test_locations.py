"""Where a command finds its runs and its tracker, also as a Ray job, whose working directory does not last."""

from __future__ import annotations

from pathlib import Path

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.locations import Locations, locate


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory; the working directory is another folder."""
    for folder in ("home", "work"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")


def test_a_command_keeps_its_runs_in_the_working_directory(home: Path) -> None:
    work = Path.cwd()
    assert locate() == Locations(f"{work}/clt-runs", f"sqlite:///{work}/clt-runs/mlflow.db")
    assert locate("runs") == Locations(f"{work}/runs", f"sqlite:///{work}/runs/mlflow.db")
    bucket = locate("gs://bucket/runs")
    assert bucket.tracking_uri == f"sqlite:///{work}/clt-runs/mlflow.db"
    assert bucket.report_folder("s") == work / "clt-runs/reports/s"


def test_a_job_keeps_nothing_in_its_working_directory(home: Path, job: None) -> None:
    assert locate() == Locations(f"{home}/clt-runs", f"sqlite:///{home}/clt-runs/mlflow.db")
    bucket = locate("gs://bucket/runs")
    assert bucket == Locations("gs://bucket/runs", f"sqlite:///{home}/clt-runs/mlflow.db")
    assert bucket.report_folder("s") == home / "clt-runs/reports/s"
    assert locate("/disk/runs").tracking_uri == "sqlite:////disk/runs/mlflow.db"
    assert locate("~/runs", "http://tracker:5000") == Locations(f"{home}/runs", "http://tracker:5000")


def test_relative_paths_of_a_job_are_refused(home: Path, job: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as caught:
        locate("runs", "sqlite:///mlflow.db")
    assert [problem.where for problem in caught.value.problems] == ["--storage", "--tracking-uri"]
    monkeypatch.setenv("CLT_RAY_STORAGE", "runs")
    with pytest.raises(ConfigurationError, match="deleted with the job"):
        locate()
