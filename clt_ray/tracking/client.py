"""A connection to MLflow: quick to give up, silent, and with one error for everything that can go wrong.

MLflow is imported when the first connection is made, which takes about a second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clt_ray.errors import CltRayError

SQLITE = "sqlite:///"

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # The library would wait two minutes per request and try seven times. The store keeps everything meanwhile,
    # so it is better to come back later than to wait now.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_CHATTY = ("alembic", "mlflow")


class TrackerUnavailable(CltRayError):
    """MLflow did not do what it was asked. Nothing is lost: the store has it, and the next time catches up."""


def quiet_environment() -> None:
    """Settings of MLflow for this process and its children, where the user has not made them."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(tracking_uri: str) -> Any:
    """An `mlflow.MlflowClient`. The first connection to a new SQLite file creates its tables, in about 2 s."""
    quiet_environment()
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    # The store of SQLite files is imported late and would otherwise make tables at the level set by mlflow.
    from mlflow import MlflowClient

    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = sqlite_folder(tracking_uri)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=tracking_uri)


@contextmanager
def reachable(tracking_uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its HTTP client or its database raises in the block into `TrackerUnavailable`.

    Holds nothing but calls to MLflow, so that an error of ours is never taken for an outage.
    """
    try:
        yield
    except TrackerUnavailable:
        raise
    except OSError as error:
        raise _unavailable(tracking_uri, error) from error
    except Exception as error:
        if not _is_foreign(error):
            raise
        raise _unavailable(tracking_uri, error) from error


def sqlite_folder(tracking_uri: str) -> Path | None:
    """Folder of an SQLite tracking store, None for any other."""
    if not tracking_uri.startswith(SQLITE):
        return None
    return Path(tracking_uri.removeprefix(SQLITE).partition("?")[0]).absolute().parent


def _is_foreign(error: Exception) -> bool:
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & {"mlflow", "requests", "sqlalchemy", "urllib3"})


def _unavailable(tracking_uri: str, error: Exception) -> TrackerUnavailable:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0][:300] if lines else type(error).__name__
    return TrackerUnavailable(f"MLflow at {tracking_uri}: {reason}")
