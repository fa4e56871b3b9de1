"""A real MLflow server with the arguments of deploy/mlflow/kubernetes.yaml answers pods, and no other names."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.support.mlflow_server import mlflow_server

MANIFEST = Path(__file__).parents[2] / "deploy" / "mlflow" / "kubernetes.yaml"
REPLACED = ("--host", "--port", "--backend-store-uri", "--artifacts-destination")

pytestmark = pytest.mark.slow


def status(port: int, host: str, path: str) -> int:
    """The status of the answer to a client that calls the server by this name."""
    body = b'{"max_results": 1}' if path.startswith("/api") else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=body, headers={"Host": host, "Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_server_answers_the_names_that_pods_use(tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(MANIFEST.read_text()))
    (deployment,) = (document for document in documents if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"][:2] == ["mlflow", "server"]
    options = [option for option in container["args"][2:] if option.partition("=")[0] not in REPLACED]
    probe = container["readinessProbe"]["httpGet"]
    with mlflow_server(tmp_path, *options) as port:
        assert status(port, probe["httpHeaders"][0]["value"], probe["path"]) == 200
        search = "/api/2.0/mlflow/experiments/search"
        for name in ("mlflow:5000", "mlflow.default.svc:5000", "localhost:5000"):
            assert status(port, name, search) == 200
        assert status(port, "attacker.example", search) == 403
