"""Where a command finds its runs, its tracker and its reports."""

import os
from dataclasses import dataclass
from pathlib import Path

from clt_ray.errors import ConfigurationError, Problem

DEFAULT_FOLDER = "clt-runs"


@dataclass(frozen=True)
class Locations:
    """The storage and the tracker of one command."""

    storage: str
    """URI or absolute path of the store."""
    tracking_uri: str

    def report_folder(self, name: str) -> Path:
        """Returns the default folder of a report, which is on this machine even where the store is not."""
        root = _default_folder() if "://" in self.storage else Path(self.storage)
        return root / "reports" / name


def locate(storage: str | None = None, tracking_uri: str | None = None) -> Locations:
    """Returns the locations of a command, with defaults for what the user left out.

    The storage is the argument, else the environment variable CLT_RAY_STORAGE, else `clt-runs` in the working
    directory. The tracker is the argument, else MLFLOW_TRACKING_URI, else an SQLite file in the storage, or in
    `clt-runs` where the storage is a URI. The working directory of a Ray job is a copy that is deleted with the job, so
    there `clt-runs` is the one in the home directory on the head node.

    Raises:
        ConfigurationError: A path would be in the copy of a Ray job.
    """
    storage = storage or os.environ.get("CLT_RAY_STORAGE") or str(_default_folder())
    storage = storage.removeprefix("file://")
    tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if _in_ray_job():
        _refuse_temporary(storage, tracking_uri)
    if "://" not in storage:
        storage = str(Path(storage).expanduser().absolute())
    if not tracking_uri:
        folder = Path(storage) if "://" not in storage else _default_folder()
        tracking_uri = f"sqlite:///{folder}/mlflow.db"
    return Locations(storage, tracking_uri)


def _default_folder() -> Path:
    return (Path.home() if _in_ray_job() else Path.cwd()) / DEFAULT_FOLDER


def _in_ray_job() -> bool:
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def _refuse_temporary(storage: str, tracking_uri: str | None) -> None:
    message = "is relative, and the working directory of a Ray job is deleted with the job"
    problems = []
    if "://" not in storage and not Path(storage).expanduser().is_absolute():
        remedy = "give a URI such as gs://BUCKET/clt-runs, or an absolute path"
        problems.append(Problem("--storage", "", storage, message, remedy))
    database = (tracking_uri or "").partition("sqlite:///")[2]
    if database and not Path(database).is_absolute():
        remedy = "give the address of an MLflow server, or sqlite:////ABSOLUTE/PATH"
        problems.append(Problem("--tracking-uri", "", tracking_uri, message, remedy))
    if problems:
        raise ConfigurationError(problems)
