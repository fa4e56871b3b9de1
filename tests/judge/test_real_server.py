"""A real OpenAI-compatible server, `transformers serve`, with the bundled tiny model as the judge.

The model writes no ratings. The test shows that the server accepts the requests, that its replies are counted as
replies without a rating, and that the outcome names the model that answered.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from clt_ray.verbs.judge import judge
from tests.support.judged_runs import ITEMS, judged_sweep

pytestmark = pytest.mark.slow

START_SECONDS = 120
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
"""Template for the tiny model, which is a base model and has none."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Returns the folder of the bundled model with a chat template."""
    target = tmp_path / "judge-model"
    shutil.copytree(str(resources.files("clt_ray.data.bundled") / "model"), target)
    (target / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return target


@pytest.fixture
def server(model: Path, tmp_path: Path) -> Iterator[str]:
    """Yields the address of the running server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model), "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu"]  # fmt: skip
    with open(tmp_path / "server.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"})
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, tmp_path / "server.log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when the server answers."""
    for _ in range(START_SECONDS * 5):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            threading.Event().wait(0.2)
    raise AssertionError(f"not up within {START_SECONDS} s:\n{log.read_text()}")


def test_the_tiny_model_judges_through_a_real_server(folder: Path, server: str, model: Path) -> None:
    made = judged_sweep(folder)
    environment = {"CLT_RAY_JUDGE_BASE_URL": server, "CLT_RAY_JUDGE_MODEL": str(model)}
    outcome = judge(made.sweep, environment=environment)
    assert outcome.complete and outcome.untracked is None
    assert sum(run.requests for run in outcome.runs) == ITEMS + 3
    for run in outcome.runs:
        assert (run.rated, run.unparsable_items, run.items) == (0, ITEMS, ITEMS)
    assert outcome.tokens.prompt > 100 * ITEMS and outcome.tokens.completion > 0 and not outcome.tokens.uncounted
    facts = json.loads((made.storage / "runs" / made.runs[0].run_id / "judge" / "judge.json").read_text())
    assert sum(facts["answered_by"].values()) == ITEMS
    assert all(str(model) in snapshot for snapshot in facts["answered_by"])
    assert facts["temperature"] == 0.0
    again = judge(made.sweep, environment=environment)
    assert (again.sent, again.complete) == (0, True)
