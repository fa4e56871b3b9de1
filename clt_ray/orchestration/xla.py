"""Ray Train's side of training on a TPU slice with torch_xla.

Ray's own TPU backend for PyTorch is torch_tpu's, and its torch_xla backend is for another accelerator. This one sets
the environment of the one process on each host before torch_xla is imported in it, and gives the hosts an address to
meet at; all else is the training backend's (`clt_ray.training.backends.xla`). Nothing here imports torch_xla: the
hooks run in the controller, and on workers before training starts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig

from clt_ray.orchestration.slices import SLICE_NAME, WORKER_ID, SliceState
from clt_ray.training.backends.xla.environment import CACHE, FORBIDDEN, worker_environment


class XlaConfig(BackendConfig):
    """Training on a TPU slice, one process per host."""

    @property
    def backend_cls(self) -> type[Backend]:
        return SliceBackend


@dataclass(frozen=True)
class Host:
    """Where a worker is."""

    slice_name: str
    worker_id: int


class SliceBackend(Backend):
    """Hooks of Ray Train around a group of workers."""

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Prepare every worker's environment.

        Raises:
            RuntimeError: The workers do not sit on all hosts of one slice.
        """
        address, port = worker_group.execute_single(0, get_address_and_port)
        count = len(worker_group)
        hosts = ray.get(
            [worker_group.execute_single_async(index, prepare, index, count, address, port) for index in range(count)]
        )
        complaint = scattered(hosts)
        if complaint:
            raise RuntimeError(complaint)


def prepare(index: int, count: int, address: str, port: int) -> Host:
    """Set this worker's environment, and say where it is.

    Args:
        index: Ray's rank of the worker. Only this tells the hosts apart: under SPMD each believes it is the first.
        count: Workers of the run.
        address: Of the first worker; the hosts' process group meets there.
        port: Of the same.
    """
    for name in FORBIDDEN:
        os.environ.pop(name, None)
    device = os.environ.get("PJRT_DEVICE", "TPU")
    cache = os.environ.get(CACHE) or str(Path(tempfile.gettempdir()) / f"clt-ray-xla-cache-{os.getuid()}")
    os.environ.update(worker_environment(index, count, cache, device))
    os.environ.update({"MASTER_ADDR": address, "MASTER_PORT": str(port)})
    labels = ray.get_runtime_context().get_node_labels()
    return Host(str(labels.get(SLICE_NAME, "")), int(str(labels.get(WORKER_ID, 0))))


def scattered(hosts: Sequence[Host]) -> str:
    """Why these hosts are not one whole slice; empty when they are."""
    names = sorted({host.slice_name for host in hosts})
    if len(names) > 1:
        return f"the workers of one run were placed on {len(names)} slices: {', '.join(names)}"
    state = SliceState(names[0], len(hosts), tuple(sorted(host.worker_id for host in hosts)))
    return "" if state.whole else str(state)
