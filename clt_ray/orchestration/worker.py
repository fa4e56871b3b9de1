"""The training function of Ray Train's workers: executes a run, or one process of it."""

import socket
import sys
from collections.abc import Mapping
from typing import Any

import ray.train

from clt_ray.orchestration.preemption import watched_node
from clt_ray.orchestration.preflight import differences
from clt_ray.orchestration.warm import execute_payload, run_in_child, run_in_series, warm_name
from clt_ray.pipeline import Outcome
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec


def agree(storage: str, probe: str, versions: Mapping[str, str]) -> None:
    """Checks before anything expensive that this node, which may be new, equals the one that executes the sweep.

    The arguments are the fields of `preflight.Needs` with these names.

    Raises:
        RuntimeError: The storage is another one, or a version differs; the message names this node and the remedy.
    """
    for message, remedy in differences(storage, probe, versions):
        raise RuntimeError(f"node {socket.gethostname()} {message}: {remedy}")


def train_loop(config: dict[str, Any]) -> Outcome:
    """Executes in this worker the run of its group: `run` (a `RunSpec.to_dict()`), `storage` and `claim`."""
    agree(config["storage"], config["probe"], config["versions"])
    context = ray.train.get_context()
    payload = {name: config[name] for name in ("run", "storage", "claim")} | {"rank": context.get_world_rank()}
    run, hosts = RunSpec.from_dict(config["run"]), context.get_world_size()
    with watched_node(Store(config["storage"]).run_dir(run.run_id), config["claim"]):
        # Forking saves imports, a large part of short runs on CPUs only, and is not safe on every system.
        if run.hardware.accelerator == "CPU" and hosts == 1 and sys.platform == "linux":
            return run_in_child(payload, warm_name())
        if run.hardware.is_tpu:
            # The next run on the same hosts finds what this one has compiled.
            return run_in_series(payload, f"{warm_name()}-{hosts}-hosts")
        return execute_payload(payload)
