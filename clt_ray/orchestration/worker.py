"""What a Ray Train worker does: execute its run, or its share of it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import ray
import ray.train

from clt_ray.orchestration.warm import execute_payload, run_in_child
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
    if not alone:
        # The processes of a run on one machine stage their checkpoints in one folder.
        scratch = Path(tempfile.gettempdir()) / f"clt-ray-staging-{context.get_experiment_name()}"
        payload["scratch"] = str(scratch)
    # Only where the import is a sizeable part of a run, and where forking is sound.
    if hardware["accelerator"] == "CPU" and alone and sys.platform == "linux":
        return run_in_child(payload, _warm_name())
    return execute_payload(payload)


def _warm_name() -> str:
    runtime = ray.get_runtime_context()
    return f"{runtime.get_node_id()[:12]}-{runtime.get_job_id()}"
