"""The command, the address and the saved view of MLflow's web interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.store import Store
from clt_ray.tracking import SweepTracker, TrackerUnavailable, experiment_url, ui_command
from clt_ray.tracking.experiment import SAVED_VIEW_TAG
from tests.support.run_dirs import SWEEP, finished, spec


def test_the_command_serves_on_the_loopback_address(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///another.db")
    command = ui_command(tracking_uri, 5001)
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "5001"
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == tracking_uri


def test_a_tracking_server_has_its_own_interface() -> None:
    with pytest.raises(ConfigurationError, match="open http://tracker:5000 in a browser"):
        ui_command("http://tracker:5000", 5001)


def test_the_address_before_and_after_the_first_run(tracking_uri: str, store: Store) -> None:
    assert experiment_url(tracking_uri, SWEEP, 5001) == "http://127.0.0.1:5001/#/experiments"
    SweepTracker(tracking_uri, SWEEP, store).sync([finished(store, spec())])
    url = experiment_url(tracking_uri, SWEEP, 5001)
    assert url.startswith("http://127.0.0.1:5001/#/experiments/1/runs?")
    assert "viewStateShareKey=clt-ray" in url


def test_the_saved_view_refers_to_existing_metrics_params_and_tags(
    tracking_uri: str, store: Store, client: Any
) -> None:
    run = finished(store, spec("summarization+instruction+math"))
    SweepTracker(tracking_uri, SWEEP, store).sync([run])
    experiment = client.get_experiment_by_name(SWEEP)
    view = json.loads(json.loads(experiment.tags[SAVED_VIEW_TAG])["state"])
    (child,) = client.search_runs([experiment.experiment_id], view["searchFilter"], order_by=[view["orderByKey"]])
    plotted = {
        axis["key"]
        for chart in view["compareRunCharts"]
        if "xaxis" in chart
        for axis in (chart["xaxis"], chart["yaxis"])
    }
    plotted |= {chart["metricKey"] for chart in view["compareRunCharts"] if "metricKey" in chart}
    assert plotted <= set(child.data.metrics)
    columns = {column.split("`")[1] for column in view["selectedColumns"]}
    assert columns <= {*child.data.metrics, *child.data.params, *child.data.tags}


def test_the_address_on_an_unreachable_server_is_an_outage() -> None:
    with pytest.raises(TrackerUnavailable, match=r"MLflow at http://127\.0\.0\.1:1"):
        experiment_url("http://127.0.0.1:1", SWEEP, 5001)


def test_importing_tracking_does_not_import_mlflow() -> None:
    code = "import sys, clt_ray.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
