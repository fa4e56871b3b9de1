"""No message, log record, address or command shows the password of a tracking URI."""

from __future__ import annotations

import logging
import socket
import traceback

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.store import Store
from clt_ray.tracking import (
    BestEffortTracker,
    SweepTracker,
    TrackerUnavailable,
    experiment_url,
    read_scores,
    ui_command,
)
from clt_ray.tracking.client import reachable
from tests.support.run_dirs import SWEEP, finished, spec

SECRET = "s3cret"


@pytest.fixture
def unreachable_uri() -> str:
    """Tracking URI with a password, of a server that does not exist."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://user:{SECRET}@127.0.0.1:{port}"


def test_an_outage_during_a_sweep(unreachable_uri: str, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    tracker = BestEffortTracker(SweepTracker(unreachable_uri, SWEEP, store))
    with caplog.at_level(logging.DEBUG):
        tracker.update([finished(store, spec())], force=True)
    assert tracker.trouble is not None
    assert "MLflow at http://user:***@127.0.0.1" in tracker.trouble
    # MLflow's own message, which quotes the URI too, is part of the trouble.
    assert "http://user:***@127.0.0.1" in tracker.trouble.partition(": API request to ")[2]
    assert "training continues" in caplog.text
    assert SECRET not in tracker.trouble + caplog.text


def test_the_traceback_of_an_outage(unreachable_uri: str) -> None:
    with pytest.raises(TrackerUnavailable) as caught:
        read_scores(unreachable_uri, SWEEP)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_cause_is_kept_when_the_uri_has_no_secret() -> None:
    with pytest.raises(TrackerUnavailable) as caught:
        read_scores("http://127.0.0.1:1", SWEEP)
    assert type(caught.value.__cause__).__module__.startswith("mlflow")


def test_a_long_message_is_redacted_before_it_is_shortened() -> None:
    uri = f"postgresql://user:{SECRET}@db/mlflow"
    with pytest.raises(TrackerUnavailable) as caught, reachable(uri):
        raise OSError("x" * 275 + f" postgresql://user:{SECRET}@db/mlflow")
    assert SECRET not in str(caught.value)


def test_a_missing_database_driver_is_an_outage() -> None:
    uri = f"postgresql+nosuchdriver://user:{SECRET}@127.0.0.1:1/mlflow"
    with pytest.raises(TrackerUnavailable, match=r"MLflow at postgresql\+nosuchdriver://user:\*\*\*@"):
        read_scores(uri, SWEEP)
    with pytest.raises(TrackerUnavailable, match="No module named 'driver'"), reachable(uri):
        raise ModuleNotFoundError("No module named 'driver'")


def test_the_web_interface_of_a_server() -> None:
    with pytest.raises(ConfigurationError, match="open http://tracker:5000 in a browser") as caught:
        ui_command(f"http://user:{SECRET}@tracker:5000", 5001)
    assert SECRET not in str(caught.value)


def test_the_address_of_an_experiment(unreachable_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrackerUnavailable) as caught:
        experiment_url(unreachable_uri, SWEEP, 5001)
    assert SECRET not in str(caught.value)
    monkeypatch.setattr("clt_ray.tracking.experiment.connect", lambda uri: None)
    monkeypatch.setattr("clt_ray.tracking.experiment.find_experiment", lambda client, name: "7")
    assert experiment_url(unreachable_uri, SWEEP, 5001).startswith("http://127.0.0.1:")


def test_the_command_of_the_web_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///another.db")
    assert SECRET not in " ".join(ui_command(f"postgresql://user:{SECRET}@db/mlflow", 5001))
