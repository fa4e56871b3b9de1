"""Connects to MLflow with short timeouts and without console output, and turns its failures into one exception.

MLflow is imported when the first connection is made, because the import takes about a second.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clt_ray.errors import CltRayError
from clt_ray.redaction import redacted, redacted_text

SQLITE = "sqlite:///"

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # By default MLflow waits two minutes for each request and tries seven times. The store keeps everything that
    # MLflow lacks, so giving up early and trying again with the next update loses nothing.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_NOISY_LOGGERS = ("alembic", "mlflow")

_LONGEST_REASON = 300


class TrackerUnavailable(CltRayError):
    """MLflow did not answer or refused a request. The store has everything, so a later update makes up for it."""


def quiet_environment() -> None:
    """Sets MLflow's environment variables for this process and its children, except those that the user has set."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(tracking_uri: str) -> Any:
    """Returns an `mlflow.MlflowClient`. The first connection to a new SQLite file creates its tables in about 2 s."""
    quiet_environment()
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Importing mlflow resets the levels of its loggers, and its database store logs while it creates tables.
    from mlflow import MlflowClient

    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = sqlite_folder(tracking_uri)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=tracking_uri)


@contextmanager
def reachable(tracking_uri: str) -> Iterator[None]:
    """Turns whatever MLflow, its HTTP client or its database driver raises in the block into `TrackerUnavailable`.

    The block must contain calls to MLflow only, so that an error of this program is not taken for an outage. The
    message contains no password or token of the tracking URI.
    """
    try:
        yield
    except TrackerUnavailable:
        raise
    except Exception as error:
        packages = {base.__module__.partition(".")[0] for base in type(error).__mro__}
        is_foreign = bool(packages & {"mlflow", "requests", "sqlalchemy", "urllib3"})
        # OSError: connections and files. ImportError: the driver of the database is not installed.
        if not isinstance(error, (OSError, ImportError)) and not is_foreign:
            raise
        # MLflow's exceptions quote the URI, and a traceback would print the cause: a URI with a secret gets none.
        cause = error if redacted(tracking_uri) == tracking_uri else None
        raise TrackerUnavailable(f"MLflow at {redacted(tracking_uri)}: {_reason(error)}") from cause


def sqlite_folder(tracking_uri: str) -> Path | None:
    """Returns the folder of an SQLite tracking store; None for any other tracking URI."""
    if not tracking_uri.startswith(SQLITE):
        return None
    return Path(tracking_uri.removeprefix(SQLITE).partition("?")[0]).absolute().parent


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted_text(lines[0])[:_LONGEST_REASON] if lines else type(error).__name__
