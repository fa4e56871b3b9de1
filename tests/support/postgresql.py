"""A real PostgreSQL on 127.0.0.1, as Debian packages it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.clusters import free_port

UNPRIVILEGED = "nobody"
"""User of PostgreSQL's processes where this process is root, whom PostgreSQL refuses."""


def programs() -> Path | None:
    """Returns the folder of PostgreSQL's server programs, None where the package is not installed."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Runs a PostgreSQL with an empty database, and provides the URI that MLflow takes."""
    binaries = programs()
    assert binaries is not None, "apt-get install postgresql"
    user = UNPRIVILEGED if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="clt-ray-postgresql-"))
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    options = ["--username=mlflow", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run([binaries / "initdb", "-D", data, *options], check=True, capture_output=True, user=user, cwd="/")
    command: list[str | Path] = [
        binaries / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-k",
        folder,
    ]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd="/")
    try:
        while b"database system is ready" not in (folder / "log").read_bytes():
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"PostgreSQL has ended: {server.wait(0.1)}")
        # The plain scheme `postgresql` means another driver from SQLAlchemy 2.1 on.
        yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
    finally:
        # A fast shutdown, which does not wait for clients.
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder)
