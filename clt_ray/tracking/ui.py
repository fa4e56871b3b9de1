"""MLflow's web interface on a sweep."""

from __future__ import annotations

import os
import sys

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.tracking.client import connect, quiet_environment, reachable, sqlite_folder
from clt_ray.tracking.experiment import ARTIFACTS, find_experiment
from clt_ray.tracking.view import view_query


def ui_command(tracking_uri: str, port: int) -> list[str]:
    """Command that serves MLflow's web interface on 127.0.0.1.

    It inherits this process's environment, where telemetry is turned off unless the user decided otherwise.

    Raises:
        ConfigurationError: The tracker is a server, which has an interface of its own.
    """
    if tracking_uri.startswith(("http://", "https://")):
        remedy = f"open {tracking_uri} in a browser"
        raise ConfigurationError(
            [Problem("ui", "tracking-uri", tracking_uri, "is a server with an interface of its own", remedy)]
        )
    quiet_environment()
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri]
    folder = sqlite_folder(tracking_uri)
    if folder is not None:
        command += ["--artifacts-destination", str(folder / ARTIFACTS)]
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def experiment_url(tracking_uri: str, sweep_name: str, port: int) -> str:
    """Address of a sweep's page in the interface; the list of experiments when nothing of it is there yet.

    Raises:
        TrackerUnavailable: MLflow does not answer.
    """
    server = tracking_uri if tracking_uri.startswith("http") else f"http://127.0.0.1:{port}"
    with reachable(tracking_uri):
        experiment = find_experiment(connect(tracking_uri), sweep_name)
    return f"{server.rstrip('/')}/#/experiments" + (
        f"/{experiment}/runs?{view_query(chart=True)}" if experiment else ""
    )
