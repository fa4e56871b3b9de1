"""Ray Train's trainer as this project uses it: in its trial's place, with own budgets, without spare actors.

Ray Train reserves a placement group for its workers itself, so a Tune trial that asks for resources would reserve them
twice. Here the trial's placement group is the reservation. Tune removes it with the trial, whatever process was killed,
so no dead run keeps resources; and a run that lost a node keeps its place in the queue while Ray looks for another.

Ray has no public option for any of this, hence the imports from `ray.train.v2._internal`; pyproject.toml pins the minor
release. Ray Train also starts one actor that manages Ray Data datasets, which this program does not use, one that
removes placement groups, which is needed on TPU slices only, and one by which the workers of a run wait for each other,
which one worker does not need. Each costs 1.3 to 1.7 s of CPU time per run (measured by benchmarks/sweep_overhead.py).
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import ray
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import WORKER_GROUP_START_TIMEOUT_S_ENV_VAR as START_TIMEOUT
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2._internal.execution.checkpoint.sync_actor import SynchronizationActor
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.failure_handling.default import DefaultFailurePolicy, _is_preemption_failure
from ray.train.v2._internal.execution.failure_handling.failure_policy import FailureDecision
from ray.train.v2._internal.execution.scaling_policy.fixed import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup, worker_group
from ray.train.v2._internal.execution.worker_group import state as worker_group_state
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.train.v2.api.config import FailureConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError, WorkerGroupError
from ray.util.placement_group import PlacementGroup, get_current_placement_group

from clt_ray.orchestration.places import description
from clt_ray.orchestration.queue import PATIENCE_SECONDS
from clt_ray.store import Store, WaitDocument
from clt_ray.sweep.run import RunSpec

BUDGETS = FailureConfig(max_failures=3, max_preemption_failures=50, controller_failure_limit=10)
"""How often a run is tried again after the error or death of a worker, after the loss of a node, and after a failed
start of its workers. Waiting for a place counts as none of them."""

NODE_LOST = re.compile(r"node (has )?(died|was (dead|drained|terminated))|because its node|preempt", re.IGNORECASE)
"""What Ray's message on a dead worker says where its node is gone."""
UNAVAILABLE = "is unavailable"
"""What Ray's message on a worker says that does not answer, before Ray knows why."""

NODE_LOSS_SECONDS = 45.0
"""Longest time that Ray's control store takes to notice that a node is gone; connections break at once."""

UNNOTICED_SECONDS = 2.0
"""A shorter wait for a place is not shown."""


class SweepTrainer(DataParallelTrainer):
    """A trainer for the function of one run; see the module."""

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback,) if self._uses_tpu else (DatasetsCallback, PlacementGroupCleanerCallback)
        return [callback for callback in super()._create_default_callbacks() if not isinstance(callback, unused)]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        arguments["failure_policy"] = RunFailurePolicy(BUDGETS)
        if not self._uses_tpu:
            scaling: Any = self.scaling_config
            arguments["scaling_policy"] = SilentScalingPolicy(scaling)
        raylet: Any = ray._raylet
        beside_the_driver = {raylet.RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
        variables = get_env_vars_to_propagate()
        if arguments["train_run_context"].train_loop_config["run"].get("other_hardware"):
            # The run then asks for another hardware.
            longest = min(float(variables[START_TIMEOUT]), PATIENCE_SECONDS)
            variables = variables | {START_TIMEOUT: str(longest)}
        environment = {"env_vars": variables}
        actor: Any = ray.remote(num_cpus=0, label_selector=beside_the_driver, runtime_env=environment)(SweepController)
        controller = actor.remote(**arguments)
        ray.get(controller.run.remote())
        return ray.get(controller.get_result.remote())

    @property
    def _uses_tpu(self) -> bool:
        scaling: Any = self.scaling_config
        return bool(scaling.use_tpu)


class SilentScalingPolicy(FixedScalingPolicy):
    """A policy that leaves the demand for nodes to the trial's placement group.

    Ray's own request would outlive the run by three minutes, and keep its nodes as long.
    """

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass

    def _send_resource_request(self) -> None:
        pass


class RunFailurePolicy(DefaultFailurePolicy):
    """Ray's budgets, where a lost node counts as a preemption also without a notice, and a wait that ended as final."""

    nodes: frozenset[str] = frozenset()
    """Ids of the nodes of the present workers."""

    def make_decision(self, training_failed_error: TrainingFailedError) -> FailureDecision:
        error = training_failed_error
        if has_waited(error):
            return FailureDecision.RAISE
        if self._is_retryable_error(error) and not _is_preemption_failure(error) and self._has_lost_node(error):
            self._preemption_failures += 1
            limit = self.failure_config.max_preemption_failures
            return FailureDecision.RETRY if self._preemption_failures <= limit else FailureDecision.RAISE
        return super().make_decision(error)

    def _has_lost_node(self, error: TrainingFailedError) -> bool:
        """Returns whether the error came from the loss of a node, for which Ray may have no words yet.

        The process of a lost node is at first unavailable, and the others report broken connections. A retry before Ray
        knows better would count as an error, and begin on the lost node again.
        """
        failures = error.worker_failures.values() if isinstance(error, WorkerGroupError) else [error]
        texts = [str(failure) for failure in failures]
        if any(NODE_LOST.search(text) for text in texts):
            return True
        if not isinstance(error, WorkerGroupError):
            return False
        if len(self.nodes) == 1 and not any(UNAVAILABLE in text for text in texts):
            return False
        deadline = time.monotonic() + NODE_LOSS_SECONDS
        while self.nodes <= {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
            if time.monotonic() > deadline:
                return False
            time.sleep(1.0)
        return True


def has_waited(error: BaseException) -> bool:
    """Returns whether a run ended because its place did not come within the longest wait."""
    cause = error.controller_failure if isinstance(error, ControllerError) else error
    return isinstance(cause, WorkerGroupStartupTimeoutError)


class TrialPlacementGroup(DefaultPlacementGroupHandle):
    """The placement group of the trial that this controller belongs to; it outlives the worker group."""

    def __init__(self, group: PlacementGroup, run: RunSpec, storage: str) -> None:
        super().__init__(group)
        self._run, self._storage = run, storage

    def wait(self, timeout_seconds: float = 30) -> bool:
        if super().wait(min(UNNOTICED_SECONDS, timeout_seconds)):
            return True
        with noted_wait(self._run, self._storage):
            return bool(super().wait(timeout_seconds))

    def shutdown(self) -> None:
        pass


class NoSynchronization:
    """Takes the place of the actor by which workers wait for each other, where a run has one worker."""

    def options(self, **_: Any) -> Self:
        return self

    def remote(self, **_: Any) -> Self:
        return self


def _end_synchronization(actor: Any) -> None:
    if not isinstance(actor, NoSynchronization):
        ray.kill(actor)


_workers: Any = worker_group
_state: Any = worker_group_state
_state._shutdown_sync_actor = _end_synchronization


class PlacedWorkerGroup(WorkerGroup):
    """Workers in the placement group of their trial, whose first bundle is the driver's; TPU workers in their slice."""

    def _create_placement_group(self, scaling_config: Any, worker_group_context: Any) -> Any:
        config = self._train_run_context.train_loop_config or {}
        run, storage = RunSpec.from_dict(config["run"]), config["storage"]
        if scaling_config.use_tpu:
            with noted_wait(run, storage):
                return super()._create_placement_group(scaling_config, worker_group_context)
        group = get_current_placement_group()
        assert group is not None, "a Train controller of this program runs in the placement group of its trial"
        return TrialPlacementGroup(group, run, storage)

    def _start_impl(self, worker_group_state_builder: Any) -> None:
        # The process of a controller has one worker group at a time.
        alone = self._worker_group_context.num_workers == 1
        _workers.SynchronizationActor = NoSynchronization() if alone else SynchronizationActor
        super()._start_impl(worker_group_state_builder)

    def _create_workers(self, num_workers: int, placement_group: Any, *arguments: Any, **options: Any) -> Any:
        if placement_group.bundle_count == num_workers + 1:
            options.setdefault("placement_group_bundle_indices", list(range(1, num_workers + 1)))
        return super()._create_workers(num_workers, placement_group, *arguments, **options)


class SweepController(TrainController):
    """Ray Train's controller with workers in the trial's placement group."""

    worker_group_cls = PlacedWorkerGroup

    def _start_worker_group(self, *arguments: Any, **options: Any) -> None:
        super()._start_worker_group(*arguments, **options)
        policy, group = self._failure_policy, self.get_worker_group()
        if isinstance(policy, RunFailurePolicy) and group is not None:
            policy.nodes = frozenset(worker.metadata.node_id for worker in group.get_workers())


@contextlib.contextmanager
def noted_wait(run: RunSpec, storage: str) -> Iterator[None]:
    """Notes in the run directory, for `clt-ray status`, what the run waits for during the block."""
    directory, began, ended = Store(storage).run_dir(run.run_id), time.time(), threading.Event()

    def note() -> None:
        while True:
            # What people see is not worth a run.
            with contextlib.suppress(Exception):
                directory.note_wait(description(run.hardware), began)
            if ended.wait(WaitDocument.BELIEVED_SECONDS / 5):
                break
        with contextlib.suppress(Exception):
            directory.end_wait()

    thread = threading.Thread(target=note, name="clt-ray-wait", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
