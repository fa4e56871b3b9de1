"""A real MLflow server on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.support.clusters import free_port


@contextlib.contextmanager
def mlflow_server(folder: Path, *arguments: str) -> Iterator[int]:
    """An MLflow server on 127.0.0.1, whose data are in the folder; provides its port. Arguments add to its own."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
        *arguments,
    ]  # fmt: skip
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    pause = threading.Event()
    try:
        for _ in range(600):
            assert server.poll() is None, (folder / "server.log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            pause.wait(0.2)
        yield port
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=60)
        log.close()
