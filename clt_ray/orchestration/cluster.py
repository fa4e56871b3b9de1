"""Connects to the Ray cluster of a sweep, and determines how many runs it can train at the same time."""

import contextlib
import gc
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.orchestration.warm import dismiss, prepare, warm_name
from clt_ray.sweep.run import RunSpec

MAX_SLOTS = 900
"""Most trials at a time. Each takes a share of one resource, and Ray counts resources in steps of 0.0001."""

LOCAL_OBJECT_STORE_BYTES = 128 * 1024 * 1024
"""Size of a local cluster's object store, through which only run specifications pass."""


@dataclass(frozen=True)
class RayOptions:
    """The cluster to use, and how. No option changes the results of a run."""

    address: str | None = None
    """Address of a cluster. None stands for RAY_ADDRESS, which `ray job submit` sets, or for a new local cluster on
    127.0.0.1 where that is not set."""
    max_concurrent: int | None = None
    """Most runs at the same time; None for as many as the cluster can train."""
    verbose: bool = False


@dataclass(frozen=True)
class Capacity:
    """Number of runs that a cluster can execute at the same time."""

    slots: int
    drivers: int
    """Number of trials that may be alive. On CPUs it is one more than the slots, so that the next run's processes start
    while other runs train."""


def environment(runs: Sequence[RunSpec]) -> dict[str, str]:
    """Returns environment variables for Ray and its workers; those that the user has set keep their values.

    Runs on CPUs take seconds, so there Ray Train checks its workers five times a second instead of every two seconds,
    and a started run may wait for its CPU for as long as the runs before it take.
    """
    cpu = _on_cpu(runs)
    variables = {
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
        # Where torch_xla is installed, transformers assumes a TPU in every process.
        "USE_TORCH_XLA": "1" if any(run.hardware.is_tpu for run in runs) else "0",
        "OMP_NUM_THREADS": str(max(run.hardware.cpus_per_worker for run in runs)),
    }
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def _on_cpu(runs: Sequence[RunSpec]) -> bool:
    return all(run.hardware.accelerator == "CPU" for run in runs)


@contextlib.contextmanager
def connected(runs: Sequence[RunSpec], options: RayOptions) -> Iterator[None]:
    """Connects to Ray, with the settings that these runs need, for the length of the block.

    Raises:
        ConfigurationError: No cluster answers at the address.
    """
    settings = environment(runs)
    os.environ.update(settings)
    import ray

    _propagate_no_credentials()
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    arguments: dict[str, Any] = {
        "log_to_driver": options.verbose,
        "logging_level": logging.INFO if options.verbose else logging.ERROR,
        "configure_logging": True,
    }
    if address == "local":
        arguments |= {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        arguments["object_store_memory"] = LOCAL_OBJECT_STORE_BYTES
        _protect_token()
    else:
        # Ray refuses a variable that the job's own runtime environment has too. The job's is in `settings` already.
        job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("runtime_env", {}).get("env_vars", {})
        arguments["runtime_env"] = {"env_vars": {name: settings[name] for name in settings if name not in job}}
    try:
        ray.init(address=address, **arguments)
    except ConnectionError as error:
        problem = f"no Ray cluster answers ({error})"
        raise ConfigurationError([Problem("--address", "", address, problem, "start one: ray start --head")]) from error
    prepared = warm_name() if address == "local" and sys.platform == "linux" and _on_cpu(runs) else None
    if prepared:
        prepare(prepared)
    try:
        yield
    finally:
        if prepared:
            dismiss(prepared)
        _shut_down()


def _propagate_no_credentials() -> None:
    """Keeps Tune from copying AWS credentials into runtime environments, which Ray writes into the logs of every node.

    Processes of a local cluster inherit them, nodes of another cluster have their own, and a job gets those that
    `clt-ray submit --forward` names.
    """
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})


def _protect_token() -> None:
    """Makes the folder of the token private, which Ray creates readable for every user of this machine.

    Ray listens on all addresses of the machine, whatever it is told. The token, which Ray requires by default on a
    cluster that it starts itself (unless RAY_AUTH_MODE is `disabled`), is what keeps others out.
    """
    folder = Path.home() / ".ray"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)


def _shut_down() -> None:
    import ray

    # Ray aborts a process that drops a reference to one of its objects during the shutdown, and Tune leaves such
    # references in cycles, which the garbage collector may drop at any moment.
    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def capacity(runs: Sequence[RunSpec], limit: int | None = None) -> Capacity:
    """Returns how many of these runs, which have the same hardware, the connected cluster can execute at a time.

    Raises:
        ConfigurationError: The cluster is too small for a single run; the message names the missing resources.
    """
    import ray

    hardware = runs[0].hardware
    if hardware.is_tpu:
        slots = min(limit or _whole_slices(runs[0]), MAX_SLOTS)
        return Capacity(slots, slots)
    available = ray.cluster_resources()
    required = {"CPU": float(hardware.workers * hardware.cpus_per_worker)}
    if hardware.accelerator == "GPU":
        required["GPU"] = float(hardware.workers)
    remedy = "add nodes, or request less under `hardware` in the sweep file"
    missing = [
        Problem("cluster", name, available.get(name, 0.0), f"a run of {runs[0].model.name} needs {amount:g}", remedy)
        for name, amount in required.items()
        if available.get(name, 0.0) < amount
    ]
    if missing:
        raise ConfigurationError(missing)
    slots = min(int(available[name] // amount) for name, amount in required.items() if amount)
    slots = max(1, min(slots, limit or slots, MAX_SLOTS))
    return Capacity(slots, slots + 1 if hardware.accelerator == "CPU" else slots)


def _whole_slices(run: RunSpec) -> int:
    import ray

    from clt_ray.orchestration.slices import describe_incomplete, hosts_and_resources, slice_states

    hardware = run.hardware
    hosts, _ = hosts_and_resources(hardware)
    states = slice_states(ray.nodes(), str(hardware.topology), hardware.accelerator, hosts)
    whole = sum(state.whole for state in states)
    if whole:
        return whole
    message = f"a run of {run.model.name} needs a whole slice of {hosts} hosts, and the cluster has none"
    message = "; ".join(filter(None, (message, describe_incomplete(states))))
    remedy = "start its hosts; where an autoscaler starts them, give the number of slices: --max-concurrent N"
    raise ConfigurationError([Problem("cluster", f"{hardware.accelerator} {hardware.topology}", 0, message, remedy)])
