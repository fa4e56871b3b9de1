"""The command and the address of MLflow's web interface."""

import os
import sys

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.redaction import redacted, without_credentials
from clt_ray.tracking.client import connect, quiet_environment, reachable, sqlite_folder
from clt_ray.tracking.experiment import ARTIFACTS, VIEW_QUERY, find_experiment


def ui_command(tracking_uri: str, port: int) -> list[str]:
    """Returns a command that serves MLflow's web interface on 127.0.0.1.

    The command has to inherit this process's environment, into which this function writes the settings of the server:
    the tracking URI, which other users of the machine could read if it were an argument, and telemetry, which is off
    unless the user has decided otherwise.

    Raises:
        ConfigurationError: The tracking URI is that of a server, which has a web interface of its own.
    """
    if tracking_uri.startswith(("http://", "https://")):
        value, remedy = redacted(tracking_uri), f"open {without_credentials(tracking_uri)} in a browser"
        raise ConfigurationError([Problem("ui", "tracking-uri", value, "is a server with a web interface", remedy)])
    quiet_environment()
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = tracking_uri
    command = [sys.executable, "-m", "mlflow", "ui"]
    folder = sqlite_folder(tracking_uri)
    if folder is not None:
        command += ["--artifacts-destination", str(folder / ARTIFACTS)]
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def experiment_url(tracking_uri: str, sweep_name: str, port: int) -> str:
    """Returns the address of a sweep's page in MLflow's web interface, without user name and password.

    It is the address of the list of experiments while the sweep has no experiment. The port, on 127.0.0.1, counts when
    the tracking URI is not that of a server.

    Raises:
        TrackerUnavailable: MLflow does not answer.
    """
    server = without_credentials(tracking_uri) if tracking_uri.startswith("http") else f"http://127.0.0.1:{port}"
    with reachable(tracking_uri):
        experiment = find_experiment(connect(tracking_uri), sweep_name)
    page = f"/{experiment}/runs?{VIEW_QUERY}" if experiment else ""
    return f"{server.rstrip('/')}/#/experiments{page}"
