"""Where a command finds its runs, its tracker and its reports."""

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = "clt-runs"


@dataclass(frozen=True)
class Locations:
    """The storage and the tracker of one command."""

    storage: str
    """URI or absolute path of the store."""
    tracking_uri: str

    def report_folder(self, name: str) -> Path:
        """Returns the default folder of a report, which is on this machine even where the store is not."""
        root = Path(DEFAULT_FOLDER).absolute() if "://" in self.storage else Path(self.storage)
        return root / "reports" / name


def locate(storage: str | None = None, tracking_uri: str | None = None) -> Locations:
    """Returns the locations of a command, with defaults for what the user left out.

    The storage is the argument, else the environment variable CLT_RAY_STORAGE, else `clt-runs` in the working
    directory. The working directory of a Ray job is a copy that is deleted with the cluster, so a job's default is
    `clt-runs` in the home directory. The tracker is the argument, else MLFLOW_TRACKING_URI, else an SQLite file
    beside the runs.
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
        folder = Path(storage) if "://" not in storage else Path.cwd() / DEFAULT_FOLDER
        tracking_uri = f"sqlite:///{folder}/mlflow.db"
    return Locations(storage, tracking_uri)
