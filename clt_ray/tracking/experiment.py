"""The experiment of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from clt_ray.tracking import names
from clt_ray.tracking.client import sqlite_folder
from clt_ray.tracking.view import SAVED_VIEW_TAG, saved_view

ARTIFACTS = "mlartifacts"
"""Name of the folder beside an SQLite file that holds the artifacts."""
RUNS_PER_PAGE = 500
"""Most runs that one request returns."""
NOTE = """One run per cell of the sweep, and one parent for the sweep itself.

* The runs of the grid, with scores against samples per language: the view "Scores by samples per language".
* The same as a filter: `tags."clt.kind" = 'run'`.
* Scores are fractions of one. `test/<task>/<language>/<metric>` is one language. Means over languages, none of which
  counts English: `test/<task>/non_english`, and of these the ones trained on (`seen`) and the others (`unseen`).
* `samples_per_language` is a parameter and a metric, so charts can have it on either axis.
"""


def find_experiment(client: Any, sweep: str) -> str | None:
    """Id of a sweep's experiment, None when nothing of it is in MLflow."""
    found = client.get_experiment_by_name(sweep)
    return None if found is None or found.lifecycle_stage != "active" else str(found.experiment_id)


def open_experiment(client: Any, tracking_uri: str, sweep: str, artifact_location: str | None) -> str:
    """Id of a sweep's experiment, which is created, or brought back from the bin, where need be."""
    found = client.get_experiment_by_name(sweep)
    if found is None:
        location = artifact_location or default_artifact_location(tracking_uri, sweep)
        return str(client.create_experiment(sweep, location, tags=_tags(sweep)))
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def search_runs(client: Any, experiment: str, condition: str) -> Iterator[Any]:
    """Yields all active runs of an experiment that meet a condition, oldest first."""
    token = None
    while True:
        page = client.search_runs(
            [experiment],
            condition,
            max_results=RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def default_artifact_location(tracking_uri: str, sweep: str) -> str | None:
    """A folder beside an SQLite file; None leaves it to the tracking server."""
    folder = sqlite_folder(tracking_uri)
    return None if folder is None else (folder / ARTIFACTS / quote(sweep, safe="")).as_uri()


def _tags(sweep: str) -> dict[str, str]:
    return {
        names.SWEEP: sweep,
        "mlflow.note.content": NOTE,
        # Otherwise the page opens on traces of language-model applications, of which there are none.
        "mlflow.experimentKind": "custom_model_development",
        SAVED_VIEW_TAG: saved_view(),
    }
