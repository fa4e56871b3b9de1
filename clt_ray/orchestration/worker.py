"""The training function of Ray Train's workers: executes a run, or one process of it."""

from __future__ import annotations

import sys
from typing import Any

import ray.train

from clt_ray.orchestration.warm import execute_payload, run_in_child, warm_name
from clt_ray.pipeline import Outcome


def train_loop(config: dict[str, Any]) -> Outcome:
    """Executes the run of a worker group in this worker.

    Args:
        config: `run` (a `RunSpec.to_dict()`) and `storage` (URI of the store).

    Returns:
        The result of `clt_ray.pipeline.execute` in this process.
    """
    context = ray.train.get_context()
    payload = {"run": config["run"], "storage": config["storage"], "rank": context.get_world_rank()}
    hardware = config["run"]["hardware"]
    single_process = context.get_world_size() == 1
    # Forking saves imports, which are a large part of short runs on CPUs only, and is not safe on every system.
    if hardware["accelerator"] == "CPU" and single_process and sys.platform == "linux":
        return run_in_child(payload, warm_name())
    return execute_payload(payload)
