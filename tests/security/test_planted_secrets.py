"""Secrets of the environment of a sweep are nowhere afterwards: each is planted, and everything is searched for it.

`tests/orchestration/test_submit.py` does the same for a job: its record, its log and Ray's session.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_server import mlflow_server
from tests.support.sockets import command_lines
from tests.support.sweeps import sweep, write

pytestmark = [pytest.mark.serial, pytest.mark.slow]

PLANTED = "planted-5f2c91"
VARIABLES = (
    "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "OPENAI_API_KEY",
    "GOOGLE_API_KEY", "RAY_AUTH_TOKEN",
)  # fmt: skip


@contextlib.contextmanager
def watched_processes() -> Iterator[set[str]]:
    """Collects the command lines of all processes while the block lasts; provides those that name the secret."""
    found: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            found.update(line for line in command_lines().splitlines() if PLANTED in line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def holders(folder: Path) -> list[str]:
    """The files below a folder whose name or content has the secret."""
    secret = PLANTED.encode()
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if PLANTED in path.name or secret in path.read_bytes()]


def test_planted_secrets_are_found_nowhere(tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep(grid={"samples_per_language": [0]}))
    # Ray's sockets have long names in this folder, and the system allows 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="clt") as session, mlflow_server(tmp_path) as port,
        watched_processes() as exposed,
    ):  # fmt: skip
        environment = {
            **os.environ, **{name: f"{PLANTED}-{name}-0123456789" for name in VARIABLES},
            "MLFLOW_TRACKING_URI": f"http://me:{PLANTED}@127.0.0.1:{port}",
            "RAY_AUTH_MODE": "token", "RAY_TMPDIR": session, "HOME": str(tmp_path),
        }  # fmt: skip
        text = ""
        for verb in ("run", "status", "report"):
            command = [sys.executable, "-m", "clt_ray", verb, file, "--storage", str(tmp_path / "store")]
            result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=400)
            assert result.returncode == 0, result.stdout + result.stderr
            text += result.stdout + result.stderr
        assert list(Path(session).rglob("gcs_server*")), "Ray's logs are elsewhere"
        assert holders(Path(session)) == []
    assert PLANTED not in text
    assert exposed == set()
    assert (tmp_path / "store" / "reports" / "test" / "index.html").is_file()
    assert (tmp_path / "mlflow.db").stat().st_size > 100_000
    assert holders(tmp_path) == []
