"""Runs a sweep on a cluster without workers that Ray's autoscaler grows and shrinks, and prints what was seen as JSON.

    python -m tests.support.autoscaled FOLDER SWEEP STORAGE MAX_WORKERS [arguments of `clt-ray run`]

Ray's fake node provider starts nodes as processes of this machine, with version 2 of the autoscaler. It looks for the
head at port 6379, so the program runs in a network namespace of its own.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HEAD_ID = "f" * 51 + "00000"
ADDRESS = "127.0.0.1:6379"
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_FAKE_CLUSTER": "1",
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
}
LISTS = (
    "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
    "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter",
)  # fmt: skip


def configuration(max_workers: int) -> dict[str, Any]:
    """Returns the autoscaler's configuration: nodes with one CPU, which leave after 12 s without work."""
    types = {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "cpu": {
            "resources": {"CPU": 1, "object_store_memory": 100 * 2**20},
            "node_config": {}, "min_workers": 0, "max_workers": max_workers,
        },
    }  # fmt: skip
    provider = {"type": "external", "module": PROVIDER, "launch_multiple": True, "head_node_id": HEAD_ID}
    return {
        "cluster_name": "zero", "max_workers": max_workers, "provider": provider, "available_node_types": types,
        "head_node_type": "ray.head.default", "upscaling_speed": 1.0, "idle_timeout_minutes": 0.2, "auth": {},
        "docker": {}, "file_mounts": {}, "file_mounts_sync_continuously": False, **{name: [] for name in LISTS},
    }  # fmt: skip


def workers() -> int:
    """Returns the number of living nodes beside the head."""
    import ray

    return sum(bool(node["Alive"]) for node in ray.nodes()) - 1


def start_head(folder: Path, max_workers: int) -> subprocess.Popen[str]:
    """Starts a head without CPUs and its autoscaler, and connects this process to it."""
    os.environ.update(ENVIRONMENT)
    file = folder / "autoscaler.json"
    file.write_text(json.dumps(configuration(max_workers)))
    head = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=0", "--port=6379",
         "--node-ip-address=127.0.0.1", "--include-dashboard=false", f"--object-store-memory={2**27}",
         f"--autoscaling-config={file}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert head.stdout is not None
    started = any("Ray runtime started" in line for line in head.stdout)
    threading.Thread(target=head.stdout.read, daemon=True).start()
    assert started, "the head did not start"
    import ray

    ray.init(ADDRESS, log_to_driver=False, logging_level=logging.ERROR)
    return head


def main() -> None:
    folder, sweep, storage, most, *options = sys.argv[1:]
    head = start_head(Path(folder), int(most))
    import ray

    command = [sys.executable, "-m", "clt_ray", "run", sweep, "--storage", storage, "--address", ADDRESS, *options]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    counts = [workers()]
    waits: set[str] = set()
    tick = threading.Event()
    while running.poll() is None:
        counts.append(workers())
        status = [sys.executable, "-m", "clt_ray", "status", sweep, "--storage", storage, "--json"]
        if len(waits) < 1 and (answer := subprocess.run(status, capture_output=True, text=True).stdout):
            runs = json.loads(answer)["runs"]
            waits |= {run["error"] for run in runs if run["state"] == "waiting" and run["error"]}
        tick.wait(0.5)
    assert running.stdout is not None
    deadline = time.monotonic() + 120
    while workers() and time.monotonic() < deadline:
        tick.wait(0.5)
    groups = {group["state"] for group in ray.util.placement_group_table().values()}
    seen = {"code": running.returncode, "output": running.stdout.read(), "workers": counts, "waits": sorted(waits)}
    print(json.dumps(seen | {"workers_at_the_end": workers(), "placement_groups": sorted(groups)}))
    ray.shutdown()
    head.terminate()
    head.wait()


if __name__ == "__main__":
    main()
