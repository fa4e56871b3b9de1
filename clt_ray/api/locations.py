"""Where a sweep's runs, tracker and reports are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = "clt-runs"


@dataclass(frozen=True)
class Locations:
    """Storage and tracker of one command."""

    storage: str
    """URI or absolute path of the store."""
    tracking_uri: str
    """MLflow's tracking URI."""

    @property
    def is_local(self) -> bool:
        return "://" not in self.storage

    def report_folder(self, name: str) -> Path:
        """Where a report goes unless the user says otherwise; local even when the store is not."""
        root = Path(self.storage) if self.is_local else Path(DEFAULT_FOLDER).absolute()
        return root / "reports" / name


def locate(storage: str | None = None, tracking_uri: str | None = None) -> Locations:
    """Fill in what the user left out.

    Storage is the argument, else CLT_RAY_STORAGE, else `clt-runs` here. Inside a Ray job "here" is a copy of
    the working directory that vanishes with the cluster, so there it is `clt-runs` in the home directory.
    The tracker is the argument, else MLFLOW_TRACKING_URI, else an SQLite file beside the runs.
    """
    storage = storage or os.environ.get("CLT_RAY_STORAGE")
    if not storage:
        in_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
        storage = str((Path.home() if in_ray_job else Path.cwd()) / DEFAULT_FOLDER)
    storage = storage.removeprefix("file://")
    if "://" not in storage:
        storage = str(Path(storage).expanduser().absolute())
    tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not tracking_uri:
        local = Path(storage) if "://" not in storage else Path.cwd() / DEFAULT_FOLDER
        tracking_uri = f"sqlite:///{local}/mlflow.db"
    return Locations(storage, tracking_uri)
