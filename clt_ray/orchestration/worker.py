"""The training function of Ray Train's workers: executes a run, or one process of it."""

import sys
from typing import Any

import ray.train

from clt_ray.orchestration.warm import execute_payload, run_in_child, warm_name
from clt_ray.pipeline import Outcome


def train_loop(config: dict[str, Any]) -> Outcome:
    """Executes in this worker the run of its group: `run` (a `RunSpec.to_dict()`) and `storage` (URI of the store)."""
    context = ray.train.get_context()
    payload = {"run": config["run"], "storage": config["storage"], "rank": context.get_world_rank()}
    on_cpu = config["run"]["hardware"]["accelerator"] == "CPU"
    # Forking saves imports, which are a large part of short runs on CPUs only, and is not safe on every system.
    if on_cpu and context.get_world_size() == 1 and sys.platform == "linux":
        return run_in_child(payload, warm_name())
    return execute_payload(payload)
