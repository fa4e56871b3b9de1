"""Connects the driver process to the Ray cluster of a sweep."""

import contextlib
import gc
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.orchestration.options import RayOptions
from clt_ray.orchestration.places import Cluster
from clt_ray.orchestration.warm import dismiss, prepare, warm_name
from clt_ray.sweep.run import RunSpec

CONNECT_SECONDS = 10.0
"""Longest wait for the connection to a cluster's head."""
LOCAL_OBJECT_STORE_BYTES = 128 * 1024 * 1024
"""Size of a local cluster's object store, through which only run specifications pass."""


def environment(runs: Sequence[RunSpec], options: RayOptions) -> dict[str, str]:
    """Returns environment variables for Ray and its workers; those that the user has set keep their values.

    Runs on CPUs take seconds, so there Ray Train checks its workers five times a second instead of every two seconds.
    """
    cpu = _on_cpu(runs)
    variables = {
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2" if cpu else "2",
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(options.max_wait_hours * 3600),
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0" if cpu else "1",
        "RAY_TRAIN_METRICS_ENABLED": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        # The queue limits the trials that ask for a place, for each kind of hardware.
        "TUNE_MAX_PENDING_TRIALS_PG": "1000",
        # A sweep is resumed from its store, never from Tune's state, which Tune would write every few seconds.
        "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }
    environments = [worker_environment(run) for run in runs]
    if all(others == environments[0] for others in environments):
        variables |= environments[0]
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def worker_environment(run: RunSpec) -> dict[str, str]:
    """Returns environment variables of a run's workers that depend on its hardware; the user's values win."""
    variables = {
        # Where torch_xla is installed, transformers assumes a TPU in every process.
        "USE_TORCH_XLA": "1" if run.hardware.is_tpu else "0",
        "OMP_NUM_THREADS": str(run.hardware.cpus_per_worker),
    }
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def _on_cpu(runs: Sequence[RunSpec]) -> bool:
    return all(run.hardware.accelerator == "CPU" for run in runs)


@contextlib.contextmanager
def connected(runs: Sequence[RunSpec], options: RayOptions) -> Iterator[Cluster]:
    """Connects to Ray, with the settings that these runs need, for the length of the block.

    Raises:
        ConfigurationError: No cluster answers at the address.
    """
    settings = environment(runs, options)
    os.environ.update(settings)
    import ray
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    # Tune would copy AWS credentials into runtime environments, which Ray writes into the logs of every node. Processes
    # of a local cluster inherit them, nodes of another cluster have their own, and a job gets those that
    # `clt-ray submit --forward` names.
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})
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
        host, _, port = address.rpartition(":")
        if port.isdecimal() and "//" not in host:
            # Fails at once where nothing listens; Ray itself tries for minutes.
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(address=address, **arguments)
    except OSError as error:
        problem = f"no Ray cluster answers ({error})"
        raise ConfigurationError([Problem("--address", "", address, problem, "start one: ray start --head")]) from error
    prepared = warm_name() if address == "local" and sys.platform == "linux" and _on_cpu(runs) else None
    if prepared:
        prepare(prepared)
    try:
        yield Cluster(runs, options.max_concurrent, is_local=address == "local")
    finally:
        if prepared:
            dismiss(prepared)
        _shut_down()


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
