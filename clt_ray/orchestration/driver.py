"""What a Tune trial does: drive the Ray Train run of one fine-tuning."""

from __future__ import annotations

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
from clt_ray.orchestration.slices import hosts_and_resources, slice_states, told
from clt_ray.orchestration.worker import train_loop
from clt_ray.store import ErrorRecord, StatusDocument, Store
from clt_ray.sweep.run import RunSpec

WORKER_FAILURES = 3
"""Times a run's workers may die and be started again before the run counts as failed."""
START_FAILURES = 3
"""Times a run's worker group may fail to start, each after the start timeout."""


def scaling(run: RunSpec) -> ScalingConfig:
    """Workers and resources of a run."""
    hardware = run.hardware
    if hardware.is_tpu:
        hosts, resources = hosts_and_resources(hardware)
        return ScalingConfig(
            num_workers=hosts,
            use_tpu=True,
            topology=hardware.topology,
            accelerator_type=hardware.accelerator,
            resources_per_worker=resources,
        )
    if hardware.accelerator == "GPU":
        return ScalingConfig(
            num_workers=hardware.workers,
            use_gpu=True,
            resources_per_worker={"CPU": hardware.cpus_per_worker, "GPU": 1},
        )
    return ScalingConfig(num_workers=hardware.workers, resources_per_worker={"CPU": hardware.cpus_per_worker})


def drive(config: dict[str, Any], runs: dict[str, dict[str, Any]], storage: str, scratch: str) -> None:
    """Tune's trainable: one trial is one Ray Train run named by its run_id.

    Metrics and checkpoints do not pass through Ray: the worker writes them to the run's directory, which is
    also where a restarted worker resumes from. Tune learns only how it ended, in one report after `fit`.

    Args:
        config: `cell`, whose `run_id` says which of `runs` to execute.
        runs: RunSpec.to_dict() by run_id.
        storage: URI of the store.
        scratch: Where Ray Train may keep its own bookkeeping.

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
        raise RunError(f"{run.name}: {what_happened(run, error)}") from error
    if outcome == "failed":
        status = store.run_dir(run.run_id).status()
        reason = status.error if status is not None else None
        raise RunError(f"{run.name}: {reason.message if reason is not None else 'failed'}")
    ray.tune.report({str(outcome): 1})


class LeanTrainer(DataParallelTrainer):
    """Ray Train without two helper processes that a run of one worker has no use for.

    Ray Train starts a manager of Ray Data sets, of which there are none here, and a cleaner of placement
    groups for schedulers that stop trials early, which this sweep does not do. Each costs 1.3 to 1.7 s of CPU,
    a third of what a short run pays in all (benchmarks/sweep_overhead.py).
    """

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback, PlacementGroupCleanerCallback)
        return [call for call in super()._create_default_callbacks() if not isinstance(call, unused)]


def _trainer(run: RunSpec) -> tuple[Any, dict[str, Any]]:
    """A run of one worker needs no process group, so importing PyTorch in driver and controller is saved."""
    if run.hardware.is_tpu:
        from clt_ray.orchestration.xla import XlaConfig

        return DataParallelTrainer, {"backend_config": XlaConfig()}
    if run.hardware.workers == 1:
        return LeanTrainer, {}
    from ray.train.torch import TorchConfig, TorchTrainer

    return TorchTrainer, {"torch_config": TorchConfig("gloo" if run.hardware.accelerator == "CPU" else "nccl")}


def _record_failure(store: Store, run: RunSpec, error: BaseException) -> None:
    """A worker that was killed could not say so itself."""
    if store.states([run.run_id])[run.run_id].kind in ("running", "finished"):
        return
    directory = store.run_dir(run.run_id)
    status = directory.status()
    if status is not None and status.state == "failed":
        return
    reason = ErrorRecord(type=type(error).__name__, message=what_happened(run, error), permanent=False)
    if status is None:
        status = StatusDocument(
            state="failed", attempt=0, updated=time.time(), stage="start", step=0, total_steps=run.steps
        )
    directory.write_status(replace(status, state="failed", error=reason))


def what_happened(run: RunSpec, error: BaseException) -> str:
    """The error, and what is wrong with the slices of the cluster, which Ray's error does not say."""
    hardware = run.hardware
    if not hardware.is_tpu:
        return last_line(error)
    states = slice_states(ray.nodes(), str(hardware.topology), hardware.accelerator, hosts_and_resources(hardware)[0])
    return "; ".join(filter(None, (last_line(error), told(states))))


def last_line(error: BaseException) -> str:
    """The line of an error that says what happened; Ray wraps it in layers of its own."""
    cause: BaseException = error
    failures = getattr(error, "worker_failures", None)
    if failures:
        cause = next(iter(failures.values()))
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
