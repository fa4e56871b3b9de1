"""Start training processes without importing PyTorch, transformers and TRL for each of them.

Importing the training stack takes about four seconds of CPU. On an accelerator that is nothing beside loading
weights; on a laptop it is a large part of a short run. So one process per node and job imports the stack once,
before any thread or tensor exists, and forks a fresh child for every run:

    Ray Train worker                       warm process                      child
    run_in_child(payload)  --connect-->    fork()             -------->      execute(run)
           waits           <---------------- {"finished": true} -----------  exits
    killed                 --connection closes------------------------->     kills itself

The child inherits no state of other runs, and its life is tied to the connection: when the Ray worker dies, by
whatever signal, the child does too, so Ray's retry never meets a second copy. When the child dies, the worker
raises and Ray Train counts a worker failure. The warm process leaves when its owner (the raylet, or the sweep that
prepared it) or the file of its socket is gone.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clt_ray.pipeline import Outcome, execute
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec

PRELOADED = (
    "clt_ray.training.backends.torch",
    "clt_ray.training.train",
    "clt_ray.evaluation.evaluate",
    "clt_ray.data.mixture",
    "transformers.models.llama.modeling_llama",
    "transformers.models.cohere.modeling_cohere",
    "transformers.generation.utils",
)
"""What every run imports."""

DETACHED = f"import os; os.fork() and os._exit(0); from {__name__} import main; main()"
"""Starts the warm process as nobody's child: a Ray worker that exits kills the children it has."""

OWNER_CHECK_SECONDS = 1.0
WAITING_CLIENTS = 64


class ChildDied(RuntimeError):
    """The training process ended without an answer, killed or out of memory."""


def run_in_child(payload: dict[str, Any], name: str) -> Outcome:
    """Execute a run in a child of this node's warm process, starting that process if need be.

    Args:
        payload: What `execute_payload` needs, as plain JSON.
        name: Names the warm process; workers that give the same name share it.

    Returns:
        What `clt_ray.pipeline.execute` returned.

    Raises:
        ChildDied: The child was killed.
        RuntimeError: The run failed; carries the child's traceback.
    """
    with _connect(name) as connection:
        request = payload | {"env": dict(os.environ), "cwd": os.getcwd()}
        message = json.dumps(request).encode() + b"\n"
        outputs = [sys.stdout.fileno(), sys.stderr.fileno()]
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", outputs))]
        sent = connection.sendmsg([message], ancillary)
        connection.sendall(message[sent:])
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise ChildDied("the training process ended without an answer (killed, or out of memory)")
    answer = json.loads(line)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    outcome: Outcome = answer["outcome"]
    return outcome


def warm_name() -> str:
    """Name of the warm process of this node and Ray job."""
    import ray

    runtime = ray.get_runtime_context()
    return f"{runtime.get_node_id()[:12]}-{runtime.get_job_id()}"


def prepare(name: str) -> None:
    """Start this machine's warm process, owned by this process, while Ray still starts its own."""
    with contextlib.suppress(OSError):
        _start(_socket(name), owner=os.getpid())


def dismiss(name: str) -> None:
    """Let the warm process go."""
    _socket(name).unlink(missing_ok=True)


def _socket(name: str) -> Path:
    return _folder() / f"{name}.sock"


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"clt-ray-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder


@contextlib.contextmanager
def _connect(name: str) -> Iterator[socket.socket]:
    path = _socket(name)
    with open(path.with_suffix(".lock"), "w") as lock, socket.socket(socket.AF_UNIX) as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            _start(path, owner=os.getppid())
            connection.connect(str(path))
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield connection


def _start(path: Path, owner: int) -> None:
    """Start the warm process on a socket that already listens, so that nobody waits for it to come up."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(WAITING_CLIENTS)
        subprocess.run(
            [sys.executable, "-c", DETACHED, str(listener.fileno()), str(owner), str(path)],
            pass_fds=[listener.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
            check=True,
        )


def serve(listener: socket.socket, owner: int, path: Path) -> None:
    """Fork a child for every connection until the owner process or the socket's file is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _preload()
    while _alive(owner) and path.exists():
        readable, _, _ = select.select([listener], [], [], OWNER_CHECK_SECONDS)
        if not readable:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _child(connection)
        connection.close()


def _preload() -> None:
    for module in PRELOADED:
        importlib.import_module(module)
    # Objects of the imports are never collected, so children do not copy the pages that hold them.
    gc.collect()
    gc.freeze()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _child(connection: socket.socket) -> None:
    """Serve one request and leave the process, whatever happens."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request = _receive(connection)
        threading.Thread(target=_die_with, args=(connection,), daemon=True).start()
        answer: dict[str, Any] = {"outcome": execute_payload(request)}
    except BaseException:
        answer = {"error": traceback.format_exc()}
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _receive(connection: socket.socket) -> dict[str, Any]:
    data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 2)
    for target, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 16)
    request: dict[str, Any] = json.loads(data)
    os.environ.clear()
    os.environ.update(request.pop("env"))
    os.chdir(request.pop("cwd"))
    return request


def _die_with(connection: socket.socket) -> None:
    """The client sends nothing more, so a readable connection means that it is gone."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def execute_payload(payload: dict[str, Any]) -> Outcome:
    """Execute `{"run": RunSpec.to_dict(), "storage": uri}` in this process."""
    return execute(
        RunSpec.from_dict(payload["run"]),
        Store(payload["storage"]),
        rank=payload.get("rank", 0),
    )


def main() -> None:
    """Entry of the warm process: listening socket's descriptor, owner's process id and socket path as arguments."""
    descriptor, owner, path = sys.argv[1:]
    try:
        serve(socket.socket(fileno=int(descriptor)), int(owner), Path(path))
    finally:
        Path(path).unlink(missing_ok=True)
