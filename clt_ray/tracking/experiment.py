"""The MLflow experiment of a sweep: how it is found, created and searched, its saved view, and its web interface."""

import json
import os
import sys
from collections.abc import Iterator
from importlib import resources
from typing import Any
from urllib.parse import quote

import yaml

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.redaction import redacted, without_credentials
from clt_ray.tasks import TASKS
from clt_ray.tracking import names
from clt_ray.tracking.client import connect, quiet_environment, reachable, sqlite_folder

ARTIFACTS = "mlartifacts"
"""Name of the folder beside an SQLite file that holds the artifacts."""
RUNS_PER_PAGE = 500
VIEW_KEY = "clt-ray"
SAVED_VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
VIEW_QUERY = f"workflowType=machine_learning&viewStateShareKey={VIEW_KEY}&compareRunsMode=CHART"
"""Query string of a page's address that opens the charts of the view."""
NOTE = """One child run per run of the sweep, and one parent run for the sweep itself.

* The view "Scores by samples per language" shows the runs of the grid, with scores against samples per language.
* The filter `tags."clt.kind" = 'run'` selects the same runs.
* `test/<task>/<language>/<metric>` is the score in one language, a fraction of one. `test/<task>/non_english` is the
  mean over all languages but English; `test/<task>/seen` and `test/<task>/unseen` are the means over those of them
  that the run was and was not trained on.
* `samples_per_language` is a param and a metric, because charts of MLflow plot metrics against metrics.
"""


def find_experiment(client: Any, sweep: str) -> str | None:
    """Returns the id of a sweep's experiment; None when there is none, or when it is deleted."""
    experiment = client.get_experiment_by_name(sweep)
    return None if experiment is None or experiment.lifecycle_stage != "active" else str(experiment.experiment_id)


def open_experiment(client: Any, tracking_uri: str, sweep: str) -> str:
    """Returns the id of a sweep's experiment, which is created when it does not exist and restored when deleted.

    Its artifacts go into a folder beside an SQLite file, or where a server puts them.
    """
    experiment = client.get_experiment_by_name(sweep)
    if experiment is None:
        folder = sqlite_folder(tracking_uri)
        location = None if folder is None else (folder / ARTIFACTS / quote(sweep, safe="")).as_uri()
        tags = {
            names.SWEEP: sweep,
            "mlflow.note.content": NOTE,
            # Without this tag the page opens on the traces of language-model applications, of which there are none.
            "mlflow.experimentKind": "custom_model_development",
            SAVED_VIEW_TAG: saved_view(),
        }
        return str(client.create_experiment(sweep, location, tags=tags))
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def search_runs(client: Any, experiment: str, condition: str) -> Iterator[Any]:
    """Yields all active runs of an experiment that meet a condition, oldest first."""
    token = None
    while True:
        page = client.search_runs(
            [experiment], condition, max_results=RUNS_PER_PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def saved_view() -> str:
    """Returns the value of the experiment's tag `SAVED_VIEW_TAG`."""
    file = yaml.safe_load(resources.files(__package__).joinpath("view.yaml").read_text(encoding="utf-8"))
    means = [f"{names.TEST}/{task}/{mean}" for task in TASKS for mean in names.MEANS]
    columns = file["columns"] | {f"metrics.`{mean}`": file["mean_width"] for mean in means}
    charts = [("score_chart", mean) for mean in means] + [("loss_chart", "val/loss"), ("loss_chart", "train/loss")]
    state = file["state"] | {
        "selectedColumns": list(columns),
        "columnOrder": [*file["fixed_columns"], *columns],
        "columnWidths": file["fixed_columns"] | columns,
        "compareRunCharts": [json.loads(json.dumps(file[kind]).replace("$metric", name)) for kind, name in charts],
    }
    return json.dumps(file["view"] | {"state": json.dumps(state, separators=(",", ":"))})


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
