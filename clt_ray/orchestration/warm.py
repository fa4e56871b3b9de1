"""Starts training processes that do not have to import PyTorch, transformers and TRL themselves.

Importing these libraries takes about four seconds of CPU time. On an accelerator that is little compared with loading
the weights; on a laptop it is a large part of a short run. One process per node and job, the warm process, therefore
imports them once, before any thread or tensor exists, and forks a child for every run:

    Ray Train worker                       warm process                      child
    run_in_child(payload)  --connect-->    fork()             -------->      execute(run)
           waits           <---------------- {"finished": true} -----------  exits
    killed                 --connection closes------------------------->     kills itself

The child inherits no state of other runs. It ends when the connection closes: when the Ray worker dies, by whatever
signal, the child dies too, so a retry by Ray never runs beside the first attempt. When the child dies, the worker
raises, and Ray Train counts a worker failure. The warm process exits once its owner (the raylet, or the process that
executes the sweep and prepared it) or the file of its socket no longer exists.

On a TPU slice compiling takes longer than importing: twenty minutes for a model of eight billion parameters, and
torch_xla 2.9 cannot read compiled graphs back from a disk. So there the warm process of a host executes the runs
itself, one after the other (`run_in_series`), and later runs use the graphs of the first. It exits after a run that
failed or was killed, and when no run has come for `IDLE_SECONDS`, so that the chips are free for others.
"""

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
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from clt_ray.errors import ConfigurationError
from clt_ray.families import FAMILIES
from clt_ray.pipeline import Outcome, execute
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec

PRELOADED = (
    "clt_ray.training.backends.torch",
    "clt_ray.training.train",
    "clt_ray.evaluation.evaluate",
    "clt_ray.data.mixture",
    "transformers.generation.utils",
    "nltk.stem.porter",
)
"""Modules that runs import; `nltk` is for English ROUGE scores."""

DETACHED = f"import os; os.fork() and os._exit(0); from {__name__} import main; main()"
"""Program that detaches the warm process from its parent: a Ray worker that exits kills its children."""

IDLE_SECONDS = 60.0
"""How long a process keeps its chips without a run; another process that wants them waits for longer."""
OWNER_CHECK_SECONDS = 1.0
TAKEN = b"taken\n"
"""Tells a client that its run is about to be executed."""
MOST_CONNECTIONS = 3
WAITING_CLIENTS = 64
"""Length of the queue of connections that are not accepted yet."""


class ChildDied(RuntimeError):
    """The training process ended without an answer: it was killed, or ran out of memory."""


def run_in_child(payload: dict[str, Any], name: str) -> Outcome:
    """Executes a payload, as `execute_payload` does, in a child of the warm process with this name.

    Workers with the same name share the warm process, which is started where it does not exist.

    Raises:
        ChildDied: The child was killed.
        RuntimeError: The run raised an exception; the message contains the child's traceback.
    """
    return _ask(payload, name, "child")


def run_in_series(payload: dict[str, Any], name: str) -> Outcome:
    """Executes a payload, as `run_in_child` does, in the process itself that has executed earlier ones of this name."""
    return _ask(payload, name, "series")


def _ask(payload: dict[str, Any], name: str, place: str) -> Outcome:
    request = json.dumps(payload | {"env": dict(os.environ), "cwd": os.getcwd()}).encode() + b"\n"
    for _ in range(MOST_CONNECTIONS):
        with _connect(name, place) as connection, connection.makefile("rb") as answers:
            # A process that is about to end because its last client was killed may listen still, but takes nothing.
            if _takes(connection, answers, request):
                return _outcome(answers)
    raise ChildDied("the warm process ended without taking the run")


def _takes(connection: socket.socket, answers: IO[bytes], request: bytes) -> bool:
    with contextlib.suppress(ConnectionError):
        sent = socket.send_fds(connection, [request], [sys.stdout.fileno(), sys.stderr.fileno()])
        connection.sendall(request[sent:])
        return answers.readline() == TAKEN
    return False


def _outcome(answers: IO[bytes]) -> Outcome:
    line = b""
    with contextlib.suppress(ConnectionError):
        line = answers.readline()
    if not line:
        raise ChildDied("the training process ended without an answer (killed, or out of memory)")
    answer = json.loads(line)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    outcome: Outcome = answer["outcome"]
    return outcome


def warm_name() -> str:
    """Returns the name of the warm process of this node and Ray job."""
    import ray

    runtime = ray.get_runtime_context()
    return f"{runtime.get_node_id()[:12]}-{runtime.get_job_id()}"


def prepare(name: str) -> None:
    """Starts the warm process of this machine, owned by this process, while Ray is still starting its processes."""
    with contextlib.suppress(OSError):
        _start(_socket(name), os.getpid(), "child")


def dismiss(name: str) -> None:
    """Makes the warm process exit."""
    _socket(name).unlink(missing_ok=True)


def _socket(name: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"clt-ray-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder / f"{name}.sock"


@contextlib.contextmanager
def _connect(name: str, place: str) -> Iterator[socket.socket]:
    path = _socket(name)
    with socket.socket(socket.AF_UNIX) as connection:
        with _locked(path):
            try:
                connection.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                _start(path, os.getppid(), place)
                connection.connect(str(path))
        yield connection


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(path: Path, owner: int, place: str) -> None:
    path.unlink(missing_ok=True)
    # The process inherits a socket that listens already, so that clients can connect before it is ready.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(WAITING_CLIENTS)
        subprocess.run(
            [sys.executable, "-c", DETACHED, str(listener.fileno()), str(owner), str(path), place],
            pass_fds=[listener.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
            check=True,
        )


def serve(listener: socket.socket, owner: int, path: Path) -> None:
    """Forks a child for every connection, until the owner process or the file of the socket no longer exists."""
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
    path.unlink(missing_ok=True)


def serve_series(listener: socket.socket, owner: int, path: Path) -> None:
    """Executes the run of one connection after the other, until one fails, none comes, or the owner is gone."""
    last_run = time.monotonic()
    while _alive(owner) and path.exists():
        readable, _, _ = select.select([listener], [], [], OWNER_CHECK_SECONDS)
        if readable:
            connection, _ = listener.accept()
            answer = _executed(connection)
            if answer.get("outcome", "failed") == "failed":
                # When its client knows, the next attempt may look for a process, and must not find this one.
                path.unlink(missing_ok=True)
                _tell(connection, answer)
                return
            _tell(connection, answer)
            connection.close()
            # The next run needs the memory of this one.
            gc.collect()
            last_run = time.monotonic()
        elif time.monotonic() - last_run > IDLE_SECONDS:
            # Under the lock no client is between finding the socket and connecting to it.
            with _locked(path):
                if not select.select([listener], [], [], 0)[0]:
                    path.unlink(missing_ok=True)
                    return


def _preload() -> None:
    for module in (*PRELOADED, *(family.module for family in FAMILIES.built_in.values())):
        importlib.import_module(module)
    # A family of another package that cannot be loaded is reported by the runs that need it.
    with contextlib.suppress(ConfigurationError, ImportError):
        for family in FAMILIES.values():
            importlib.import_module(family.module)
    # The collector writes to the objects it visits. Frozen objects are not visited, so children share their pages.
    gc.collect()
    gc.freeze()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _child(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _tell(connection, _executed(connection))
    os._exit(0)


def _executed(connection: socket.socket) -> dict[str, Any]:
    """Executes the run that a client asks for, and returns the answer."""
    done = threading.Event()
    try:
        request = _receive(connection)
        connection.sendall(TAKEN)
        threading.Thread(target=_die_with, args=(connection, done), daemon=True).start()
        return {"outcome": execute_payload(request)}
    except BaseException:
        return {"error": traceback.format_exc()}
    finally:
        done.set()


def _tell(connection: socket.socket, answer: dict[str, Any]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")


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


def _die_with(connection: socket.socket, done: threading.Event) -> None:
    """Kills this process when the client ends before the run. It sends nothing more, so `recv` returns only then."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    if not done.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def execute_payload(payload: dict[str, Any]) -> Outcome:
    """Executes the `run` (`RunSpec.to_dict()`) of a `storage` (URI); `rank` and `claim` are those of `execute`."""
    rank, claim = payload.get("rank", 0), payload.get("claim")
    return execute(RunSpec.from_dict(payload["run"]), Store(payload["storage"]), rank=rank, claim=claim)


def main() -> None:
    """Serves as the warm process. `sys.argv` has the socket's descriptor, the owner's pid, the socket's path, and
    whether runs are executed in a `child` each or in a `series`."""
    descriptor, owner, path, place = sys.argv[1:]
    (serve if place == "child" else serve_series)(socket.socket(fileno=int(descriptor)), int(owner), Path(path))
