"""Ray Train's side of training on a TPU slice with torch_xla.

Ray's TPU backend for PyTorch requires torch_tpu, and its torch_xla backend supports another accelerator. This backend
sets the environment of the one process on each host before torch_xla is imported there, and tells the hosts the
address of their process group; everything else belongs to the training backend (`clt_ray.training.backends`). Nothing
here imports torch_xla: the hooks run in the controller, and on workers before training starts.
"""

from collections.abc import Sequence
from typing import Any

import ray
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig

from clt_ray.orchestration.slices import SLICE_NAME, WORKER_ID, SliceState
from clt_ray.training.backends.xla.environment import prepare_slice_process


class XlaConfig(BackendConfig):
    """Configuration of training on a TPU slice with one process per host."""

    @property
    def backend_cls(self) -> type[Backend]:
        return SliceBackend


class SliceBackend(Backend):
    """Ray Train's hooks around a worker group."""

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Prepares the environment of every worker before training starts.

        Raises:
            RuntimeError: The workers are not on all hosts of one slice.
        """
        address, port = worker_group.execute_single(0, get_address_and_port)
        count = len(worker_group)
        start = worker_group.execute_single_async
        error = scattered(ray.get([start(index, prepare, index, count, address, port) for index in range(count)]))
        if error:
            raise RuntimeError(error)


def prepare(index: int, count: int, address: str, port: int) -> tuple[str, int]:
    """Sets this worker's environment (see `prepare_slice_process`).

    Returns the name of its slice, empty without such a label, and the number of its host in the slice.
    """
    prepare_slice_process(index, count, address, port)
    labels = ray.get_runtime_context().get_node_labels()
    return str(labels.get(SLICE_NAME, "")), int(str(labels.get(WORKER_ID, 0)))


def scattered(hosts: Sequence[tuple[str, int]]) -> str:
    """Returns why these hosts (slice, number) are not one whole slice, or an empty string."""
    names = sorted({name for name, _ in hosts})
    if len(names) > 1:
        return f"the workers of one run were placed on {len(names)} slices: {', '.join(names)}"
    state = SliceState(names[0], len(hosts), tuple(sorted(worker_id for _, worker_id in hosts)))
    return "" if state.whole else str(state)
