"""The function that Ray Tune calls for each trial: it drives the Ray Train run of one run of the sweep."""

import json
from typing import Any

import ray
import ray.train
import ray.tune
from ray.train.backend import BackendConfig
from ray.train.v2.api.config import RunConfig, ScalingConfig

from clt_ray.orchestration.cluster import worker_environment
from clt_ray.orchestration.places import worker
from clt_ray.orchestration.preemption import was_preempted
from clt_ray.orchestration.slices import describe_incomplete, hosts_and_resources, slice_states
from clt_ray.orchestration.trainer import BUDGETS, SweepTrainer, has_waited
from clt_ray.orchestration.worker import train_loop
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec


def scaling(run: RunSpec) -> ScalingConfig:
    """Returns the number of workers of a run and the resources of each."""
    hardware = run.hardware
    if hardware.is_tpu:
        hosts, resources = hosts_and_resources(hardware)
        tpu: dict[str, Any] = {"topology": hardware.topology, "accelerator_type": hardware.accelerator}
        return ScalingConfig(num_workers=hosts, use_tpu=True, resources_per_worker=resources, **tpu)
    gpu = hardware.accelerator == "GPU"
    return ScalingConfig(num_workers=hardware.workers, use_gpu=gpu, resources_per_worker=worker(hardware))


def drive(config: dict[str, Any], runs: dict[str, str], job: dict[str, Any]) -> None:
    """Executes one run as a Ray Train run; the trainable of Tune's trials.

    Metrics and checkpoints do not pass through Ray: workers write them to the run directory, from which a restarted
    worker also resumes. Tune receives one report after `fit`: the outcome, and for `error` its message.

    Args:
        config: The trial's configuration; `config["cell"]["run_id"]` selects one of `runs`, `config["hardware"]` one
            of its placements.
        runs: `RunSpec.to_dict()` as JSON by run id; every trial reads all of them, and decodes one.
        job: `storage` (URI of the store), `scratch` (URI under which Ray Train keeps its own state), `claim` (identity
            of the sweep's execution, for the lease of the run), `mixed` (whether runs need different environments), and
            what every worker compares: `probe` (token of a file in the storage, or None) and `versions` of packages.
    """
    run = RunSpec.from_dict(json.loads(runs[config["cell"]["run_id"]])).placements[config["hardware"]]
    environment = {"env_vars": worker_environment(run)} if job["mixed"] else None
    common = {name: job[name] for name in ("storage", "claim", "probe", "versions")}
    for attempt in range(int(BUDGETS.max_preemption_failures) + 1):
        run_config: Any = RunConfig(
            name=f"{run.run_id}-{attempt}", storage_path=job["scratch"], worker_runtime_env=environment
        )
        trainer = SweepTrainer(
            train_loop,
            train_loop_config={"run": run.to_dict(), **common},
            backend_config=_backend(run),
            scaling_config=scaling(run),
            run_config=run_config,
        )
        try:
            result: Any = trainer.fit()
        except ray.train.TrainingFailedError as error:
            waited = has_waited(error)
            ray.tune.report({"outcome": "waited" if waited else "error", "error": failure_message(run, error)})
            return
        outcome = str(result.return_value)
        if outcome != "stopped" or not was_preempted(Store(job["storage"]).run_dir(run.run_id).status()):
            ray.tune.report({"outcome": outcome})
            return
    ray.tune.report({"outcome": "error", "error": f"its nodes were taken away {attempt + 1} times"})


def _backend(run: RunSpec) -> BackendConfig:
    if run.hardware.is_tpu:
        from clt_ray.orchestration.xla import XlaConfig

        return XlaConfig()
    if run.hardware.workers == 1:
        # It needs no process group; without a PyTorch backend the driver and Ray's controller do not import PyTorch.
        return BackendConfig()
    from ray.train.torch import TorchConfig

    return TorchConfig("gloo" if run.hardware.accelerator == "CPU" else "nccl")


def failure_message(run: RunSpec, error: BaseException) -> str:
    """Returns the message of an error; for a TPU also which slices lack hosts, which Ray's errors do not name."""
    hardware = run.hardware
    if not hardware.is_tpu:
        return last_line(error)
    states = slice_states(ray.nodes(), str(hardware.topology), hardware.accelerator, hosts_and_resources(hardware)[0])
    return "; ".join(filter(None, (last_line(error), describe_incomplete(states))))


def last_line(error: BaseException) -> str:
    """Returns the last line of an error's message, which names the cause; Ray puts tracebacks before it."""
    cause = next(iter((getattr(error, "worker_failures", None) or {}).values()), error)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
