"""The Ray cluster of a sweep: a local one that ends with the sweep, or one that exists."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.orchestration.warm import dismiss, prepare, warm_name
from clt_ray.sweep.run import RunSpec

MAX_SLOTS = 900
"""Ray counts fractions of a resource in steps of 0.0001, and the gate divides one resource by the slots."""

LOCAL_OBJECT_STORE_BYTES = 128 * 1024 * 1024
"""The sweep passes only run specifications through Ray's object store."""


@dataclass(frozen=True)
class Capacity:
    """How many runs the cluster can carry at a time."""

    slots: int
    """Runs that train at the same time."""
    drivers: int
    """Trials that may be alive. On CPUs one more than slots, so the next run starts up while others train."""


def environment(runs: Sequence[RunSpec]) -> dict[str, str]:
    """Settings of Ray that depend on whether runs take seconds or hours.

    On CPUs Ray Train looks after its workers five times a second instead of every two seconds, and a started
    run may wait for its CPU as long as the runs before it take.
    """
    cpu = _on_cpu(runs)
    chosen = {
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2" if cpu else "2",
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "86400" if cpu else "1800",
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0" if cpu else "1",
        "RAY_TRAIN_METRICS_ENABLED": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_MAX_PENDING_TRIALS_PG": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        # Where torch_xla is installed, transformers takes any process for one of a TPU.
        "USE_TORCH_XLA": "1" if any(run.hardware.is_tpu for run in runs) else "0",
        "OMP_NUM_THREADS": str(max(run.hardware.cpus_per_worker for run in runs)),
    }
    return {name: os.environ.get(name, value) for name, value in chosen.items()}


def _on_cpu(runs: Sequence[RunSpec]) -> bool:
    return all(run.hardware.accelerator == "CPU" for run in runs)


@contextlib.contextmanager
def connected(runs: Sequence[RunSpec], address: str | None, verbose: bool) -> Iterator[None]:
    """Connect to Ray for the length of the block.

    Args:
        runs: The runs to come; they decide Ray's settings.
        address: A cluster's address; None for the one that RAY_ADDRESS names (as in `ray job submit`), or a
            new local one on 127.0.0.1.
        verbose: Let Ray's own output through.
    """
    settings = environment(runs)
    os.environ.update(settings)
    import ray

    address = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {
        "log_to_driver": verbose,
        "logging_level": logging.INFO if verbose else logging.ERROR,
        "configure_logging": True,
    }
    if address == "local":
        options |= {
            "_node_ip_address": "127.0.0.1",
            "include_dashboard": False,
            "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
        }
    else:
        options["runtime_env"] = {"env_vars": settings}
    try:
        ray.init(address=address, **options)
    except ConnectionError as error:
        raise ConfigurationError(
            [
                Problem(
                    "--address",
                    "",
                    address,
                    f"no Ray cluster answers ({error})",
                    "start one: ray start --head",
                )
            ]
        ) from error
    prepared = warm_name() if address == "local" and sys.platform == "linux" and _on_cpu(runs) else None
    if prepared:
        prepare(prepared)
    try:
        yield
    finally:
        if prepared:
            dismiss(prepared)
        _shut_down()


def _shut_down() -> None:
    """Disconnect from Ray without losing this process.

    Ray ends a process in which a reference to one of its objects is dropped while it shuts down, and Tune leaves such
    references in cycles that any thread may collect at any moment. So they are collected before.
    """
    import ray

    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def capacity(runs: Sequence[RunSpec], limit: int | None = None) -> Capacity:
    """How many of these runs, which share their hardware, fit on the connected cluster at a time.

    Raises:
        ConfigurationError: Not even one fits; names what is missing.
    """
    import ray

    hardware = runs[0].hardware
    if hardware.is_tpu:
        slots = min(limit or _whole_slices(runs[0]), MAX_SLOTS)
        return Capacity(slots, slots)
    total = ray.cluster_resources()
    needs = {"CPU": float(hardware.workers * hardware.cpus_per_worker)}
    if hardware.accelerator == "GPU":
        needs["GPU"] = float(hardware.workers)
    missing = [
        Problem(
            "cluster",
            name,
            total.get(name, 0.0),
            f"a run of {runs[0].model.name} needs {need:g}",
            "add nodes, or ask for less under `hardware` in the sweep file",
        )
        for name, need in needs.items()
        if total.get(name, 0.0) < need
    ]
    if missing:
        raise ConfigurationError(missing)
    slots = min(int(total[name] // need) for name, need in needs.items() if need)
    slots = max(1, min(slots, limit or slots, MAX_SLOTS))
    return Capacity(slots, slots + 1 if hardware.accelerator == "CPU" else slots)


def _whole_slices(run: RunSpec) -> int:
    """Slices of the run's kind that are up with all their hosts.

    Raises:
        ConfigurationError: There is none; names those that lack a host.
    """
    import ray

    from clt_ray.orchestration.slices import hosts_and_resources, slice_states, told

    hardware = run.hardware
    hosts, _ = hosts_and_resources(hardware)
    states = slice_states(ray.nodes(), str(hardware.topology), hardware.accelerator, hosts)
    whole = sum(state.whole for state in states)
    if whole:
        return whole
    message = f"a run of {run.model.name} needs a whole slice of {hosts} hosts, and the cluster has none"
    raise ConfigurationError(
        [
            Problem(
                "cluster",
                f"{hardware.accelerator} {hardware.topology}",
                0,
                "; ".join(filter(None, (message, told(states)))),
                "bring up its hosts; where an autoscaler does that, say how many slices there may be: "
                "--max-concurrent N",
            )
        ]
    )
