"""Measures how long it takes to look at many runs whose store is far away, and at very many on a disk.

    python benchmarks/store_requests.py > benchmarks/results/store_requests.json

The object store is a real S3 server (moto) on this machine behind a proxy that delays every request by 40 ms. All of
them share this machine's cores with what is measured, so a real service answers faster. 9 of 10 runs are finished in
the measurement of states. The baseline reads the documents one after the other.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from _result import emit
from clt_ray.store import LeaseDocument, Owner, ResultDocument, StatusDocument, Store
from tests.support import storage_servers
from tests.support.store_cases import frozen_result

LATENCY_SECONDS = 0.04
POLLED_RUNS = 100
SEEN_RUNS = 500
LOCAL_RUNS = 10_000
REPEATS = 3

STATUS = StatusDocument(state="running", attempt=1, updated=1.5, stage="train", step=3, total_steps=9, loss=2.5)


def main() -> None:
    figures: dict[str, float] = {}
    baseline: dict[str, float] = {}
    with ExitStack() as stack, storage_servers.s3() as server, storage_servers.reachable_by(server):
        store = Store(server.new_uri())
        ids = fill(store, SEEN_RUNS)
        running = [run_id for index, run_id in enumerate(ids) if index % 10 == 0]
        polled = ids[:POLLED_RUNS]
        # The requests of the proxy in this process are counted, then those of one in another process are timed.
        store.states(ids)
        before = len(server.proxy.requests)
        store.states(ids)
        figures["states_of_500_runs_requests"] = len(server.proxy.requests) - before
        latency = stack.enter_context(slow_proxy(server.proxy.target))
        stack.enter_context(
            storage_servers.reachable_by(
                replace(server, environment=server.environment | {"AWS_ENDPOINT_URL_S3": latency})
            )
        )
        store = Store(store.uri)
        figures["poll_of_100_runs_seconds"] = best(lambda: len(store.statuses(polled)) == POLLED_RUNS)
        baseline["poll_of_100_runs_seconds"] = seconds(lambda: all(store.run_dir(run_id).status() for run_id in polled))
        figures["states_of_500_runs_seconds"] = best(
            lambda: sum(state.kind == "finished" for state in store.states(ids).values()) == SEEN_RUNS - len(running)
        )
        few = ids[:50]
        baseline["states_of_500_runs_seconds"] = 10 * seconds(
            lambda: all([store.run_dir(run_id).is_finished() or store.run_dir(run_id).status() for run_id in few])
        )
    with TemporaryDirectory() as folder:
        local = Store(folder)
        ids = fill(local, LOCAL_RUNS)
        figures["states_of_10000_local_runs_seconds"] = best(lambda: len(local.states(ids)) == LOCAL_RUNS)
    emit("store_requests", figures, baseline)


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


def fill(store: Store, count: int) -> list[str]:
    """Makes run directories, of which every tenth is being executed by a process on another machine."""
    result, ids = frozen_result().encode(), [f"{index:016x}" for index in range(count)]
    owner = replace(Owner.current(), host="elsewhere")
    lease = LeaseDocument(owner, "t", time.time(), time.time() + 1e6, 60.0, epoch=1, base=1)
    documents = {StatusDocument.FILE: STATUS.encode(), LeaseDocument.FILE: lease.encode()}
    for index, run_id in enumerate(ids):
        files = store._files.under(f"runs/{run_id}")
        for name, content in (documents | ({ResultDocument.FILE: result} if index % 10 else {})).items():
            if store.uri.startswith("/"):
                Path(files.uri).mkdir(parents=True, exist_ok=True)
                Path(files.uri, name).write_bytes(content)
            else:
                files.write(name, content)
    return ids


def best(work: Callable[[], bool]) -> float:
    return min(seconds(work) for _ in range(REPEATS))


def seconds(work: Callable[[], bool]) -> float:
    start = time.perf_counter()
    assert work()
    return time.perf_counter() - start


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(delay(int(sys.argv[1])))
    else:
        main()
