"""Executes runs with Ray: one Tune trial per run, which drives one Ray Train run. Runs in the driver process.

    supervisor (the user's process)     pipe      driver process (this module)       Ray
    RunQueue  <----------- next run? -----------  RunSearcher  <------------------  Tune: a trial per run, whose
    Monitor   <----------- started, ended ------  Events                            placement group is its place

The driver process can be killed at any moment; see `clt_ray.orchestration.supervisor`.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict, astuple
from queue import SimpleQueue
from typing import Any

from clt_ray.errors import ConfigurationError
from clt_ray.orchestration.cluster import connected, worker_environment
from clt_ray.orchestration.options import RayOptions
from clt_ray.orchestration.queue import pool
from clt_ray.sweep.run import RunSpec

LIMITS_SECONDS = 1.0
"""Shortest time between two looks at the cluster's nodes."""

TRIAL_FAILURES = 3
"""Number of times that a run is tried again after its trial or its Train controller was killed."""


class Channel:
    """The driver process's end of the connection to its supervisor: one JSON object per line."""

    def __init__(self, connection: socket.socket) -> None:
        """Starts to read; this process ends at once when the supervisor's end closes."""
        self._connection, self._lock = connection, threading.Lock()
        self._received: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._read, name="clt-ray-channel", daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Any:
        """Waits for the next message of the supervisor."""
        return self._received.get()

    def _read(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._received.put(json.loads(line))
        finally:
            # Without its supervisor, nobody decides what runs. Ray ends the processes of a driver that is gone. The
            # connection is reset, rather than closed, where the supervisor had not read everything.
            os.kill(os.getpid(), signal.SIGKILL)


def execute(job: dict[str, Any], channel: Channel) -> None:
    """Executes the runs that the supervisor gives out, until it has no more.

    Args:
        job: `runs` (`RunSpec.to_dict()` of all that may come), `storage` (URI), `scratch` (path inside it, for Ray's
            own state), `claim` (see `Lease`), `probe` and `versions` (see `agree`) and `options` (of `RayOptions`).
        channel: Connection to the supervisor.

    Raises:
        ConfigurationError: No cluster answers at the address, it has no place for some run and cannot get it, or a run
            could not train on one of its nodes.
    """
    runs = {run.run_id: run for run in map(RunSpec.from_dict, job["runs"])}
    options = RayOptions(**job["options"])
    if not options.verbose:
        for name in ("ray", "ray.tune", "ray.train", "ray._private"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    from clt_ray.orchestration.preflight import Needs, check_nodes
    from clt_ray.orchestration.tune_hooks import Events, RunSearcher, Withdrawals

    with connected([place for run in runs.values() for place in run.placements], options) as cluster:
        cluster.check()
        needs = Needs.of(list(runs.values()), job["storage"], job["probe"], job["versions"])
        check_nodes(needs, cluster.is_local)
        channel.send({"event": "connected"})
        looked, limits = 0.0, {}
        scheduler = Withdrawals()

        def next_run() -> tuple[RunSpec | None, int, bool]:
            nonlocal looked, limits
            if time.monotonic() > looked + LIMITS_SECONDS:
                looked, limits = time.monotonic(), cluster.limits()
            channel.send({"event": "next", "limits": {name: astuple(limit) for name, limit in limits.items()}})
            answer = channel.receive()
            scheduler.wanted.update(answer["withdraw"])
            return runs.get(answer["run_id"]), answer["hardware"], answer["done"]

        events = Events(channel.send, scheduler.withdrawn)
        _tune(runs, job, options, cluster.is_local, RunSearcher(next_run), scheduler, events)


def _tune(
    runs: dict[str, RunSpec],
    job: dict[str, Any],
    options: RayOptions,
    local: bool,
    searcher: Any,
    scheduler: Any,
    events: Any,
) -> None:
    from ray import tune

    from clt_ray.orchestration.driver import drive
    from clt_ray.orchestration.places import bundles

    # Ray's own state is not part of the results: a rerun reads from the store which runs are missing.
    scratch = f"{job['storage'].rstrip('/')}/{job['scratch']}"
    placements = [place for run in runs.values() for place in run.placements]
    mixed = len({json.dumps(worker_environment(place)) for place in placements}) > 1
    details = {name: job[name] for name in ("storage", "claim", "probe", "versions")}
    details |= {"scratch": scratch, "mixed": mixed}
    by_id = {run_id: json.dumps(run.to_dict()) for run_id, run in runs.items()}

    # Tune unpickles the function `place` twice for each trial, so it refers to little: runs share their bundles.
    shared: dict[str, list[dict[str, float]]] = {}
    wanted = {
        run_id: [shared.setdefault(pool(place.hardware), bundles(place.hardware)) for place in run.placements]
        for run_id, run in runs.items()
    }

    def place(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory(wanted[config["cell"]["run_id"]][config["hardware"]])

    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(drive, runs=by_id, job=details), place),
        tune_config=tune.TuneConfig(
            # A reused actor keeps its place, which saves time where the cluster is this sweep's own, and would keep it
            # from other sweeps elsewhere.
            reuse_actors=local and len(placements) == len(runs),
            search_alg=searcher,
            scheduler=scheduler,
            # The searcher says when there are no more.
            num_samples=-1,
        ),
        run_config=tune.RunConfig(
            name=f"tune-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=scratch,
            verbose=1 if options.verbose else 0,
            callbacks=[events],
            failure_config=tune.FailureConfig(max_failures=TRIAL_FAILURES),
        ),
    )
    tuner.fit()


def main() -> None:
    """Serves as the driver process. `sys.argv` has the descriptor of the socket to the supervisor."""
    # The supervisor decides what an interrupt from the terminal or the job server means for this process, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        execute(channel.receive(), channel)
        channel.send({"event": "done"})
    except ConfigurationError as error:
        channel.send({"event": "refused", "problems": [asdict(problem) for problem in error.problems]})
    channel.receive()


if __name__ == "__main__":
    main()
