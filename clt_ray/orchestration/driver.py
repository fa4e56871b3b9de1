"""The function that Ray Tune calls for each trial: it drives the Ray Train run of one run of the sweep."""

import time
from dataclasses import replace
from typing import Any

import ray
import ray.train
import ray.tune
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from clt_ray.errors import RunError
from clt_ray.orchestration.slices import describe_incomplete, hosts_and_resources, slice_states
from clt_ray.orchestration.worker import train_loop
from clt_ray.store import ErrorRecord, StatusDocument, Store
from clt_ray.sweep.run import RunSpec

WORKER_FAILURES = 3
"""Number of times that the workers of a run may die and be restarted before the run counts as failed."""
START_FAILURES = 3
"""Number of times that the worker group of a run may fail to start, each time after the start timeout."""


def scaling(run: RunSpec) -> ScalingConfig:
    """Returns the number of workers of a run and the resources of each."""
    hardware = run.hardware
    if hardware.is_tpu:
        hosts, resources = hosts_and_resources(hardware)
        tpu: dict[str, Any] = {"topology": hardware.topology, "accelerator_type": hardware.accelerator}
        return ScalingConfig(num_workers=hosts, use_tpu=True, resources_per_worker=resources, **tpu)
    gpu = hardware.accelerator == "GPU"
    per_worker = {"CPU": float(hardware.cpus_per_worker)} | ({"GPU": 1.0} if gpu else {})
    return ScalingConfig(num_workers=hardware.workers, use_gpu=gpu, resources_per_worker=per_worker)


def drive(config: dict[str, Any], runs: dict[str, dict[str, Any]], storage: str, scratch: str) -> None:
    """Executes one run as a Ray Train run; the trainable of Tune's trials.

    Metrics and checkpoints do not pass through Ray: workers write them to the run directory, from which a restarted
    worker also resumes. Tune receives one report, with the outcome, after `fit`.

    Args:
        config: The trial's configuration; `config["cell"]["run_id"]` selects one of `runs`.
        runs: `RunSpec.to_dict()` by run id.
        storage: URI of the store.
        scratch: URI under which Ray Train keeps its own state.

    Raises:
        RunError: The run failed; its status.json has the reason.
    """
    run = RunSpec.from_dict(runs[config["cell"]["run_id"]])
    trainer_class, backend = _trainer(run)
    trainer = trainer_class(
        train_loop,
        train_loop_config={"run": run.to_dict(), "storage": storage},
        scaling_config=scaling(run),
        run_config=RunConfig(
            name=run.run_id,
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=WORKER_FAILURES, controller_failure_limit=START_FAILURES),
        ),
        **backend,
    )
    store = Store(storage)
    try:
        outcome = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        _record_failure(store, run, error)
        raise RunError(f"{run.name}: {failure_message(run, error)}") from error
    if outcome == "failed":
        status = store.run_dir(run.run_id).status()
        raise RunError(f"{run.name}: {status.error.message if status and status.error else 'failed'}")
    ray.tune.report({str(outcome): 1})


class LeanTrainer(DataParallelTrainer):
    """Ray Train's trainer without two helper actors that runs of one worker do not need.

    Ray Train starts an actor that manages Ray Data datasets, which this program does not use, and an actor that removes
    placement groups when a scheduler stops a trial early, which no trial of this program is. Each costs 1.3 to 1.7 s of
    CPU time, a third of the overhead of a short run (measured by benchmarks/sweep_overhead.py). Ray has no public
    option for this, hence the imports from `ray.train.v2._internal`.
    """

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback, PlacementGroupCleanerCallback)
        return [callback for callback in super()._create_default_callbacks() if not isinstance(callback, unused)]


def _trainer(run: RunSpec) -> tuple[Any, dict[str, Any]]:
    if run.hardware.is_tpu:
        from clt_ray.orchestration.xla import XlaConfig

        return DataParallelTrainer, {"backend_config": XlaConfig()}
    if run.hardware.workers == 1:
        # It needs no process group; without a PyTorch backend the driver and Ray's controller do not import PyTorch.
        return LeanTrainer, {}
    from ray.train.torch import TorchConfig, TorchTrainer

    return TorchTrainer, {"torch_config": TorchConfig("gloo" if run.hardware.accelerator == "CPU" else "nccl")}


def _record_failure(store: Store, run: RunSpec, error: BaseException) -> None:
    # The worker has written the failure, unless it was killed or never started.
    if store.states([run.run_id])[run.run_id].kind in ("running", "finished"):
        return
    directory = store.run_dir(run.run_id)
    status = directory.status()
    if status is not None and status.state == "failed":
        return
    record = ErrorRecord(type=type(error).__name__, message=failure_message(run, error), permanent=False)
    if status is None:
        status = StatusDocument(
            state="failed", attempt=0, updated=time.time(), stage="start", step=0, total_steps=run.steps
        )
    directory.write_status(replace(status, state="failed", error=record))


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
