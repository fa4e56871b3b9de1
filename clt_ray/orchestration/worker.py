"""What a Ray Train worker does: execute its run, or its share of it."""

from __future__ import annotations

import sys
from typing import Any

import ray.train

from clt_ray.orchestration.warm import execute_payload, run_in_child, warm_name
from clt_ray.pipeline import Outcome


def train_loop(config: dict[str, Any]) -> Outcome:
    """Ray Train's training function.

    Args:
        config: `run` (RunSpec.to_dict()) and `storage` (URI).

    Returns:
        What `clt_ray.pipeline.execute` returned in this process.
    """
    context = ray.train.get_context()
    payload = {"run": config["run"], "storage": config["storage"], "rank": context.get_world_rank()}
    hardware = config["run"]["hardware"]
    alone = context.get_world_size() == 1
    # Only where the import is a sizeable part of a run, and where forking is sound.
    if hardware["accelerator"] == "CPU" and alone and sys.platform == "linux":
        return run_in_child(payload, warm_name())
    return execute_payload(payload)
