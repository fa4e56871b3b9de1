"""Creates MLflow's empty tables once, because creating them takes seconds and copying them does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clt_ray.tracking.client import connect


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns an MLflow database without experiments."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def folder(empty_database: Path, tmp_path: Path) -> Path:
    """Returns a folder with an MLflow database in it."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return tmp_path
