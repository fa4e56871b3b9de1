"""Determines from the labels of Ray's nodes which TPU slices a cluster has, and which of their hosts are missing.

    labels of a v5e-16 host: ray.io/tpu-slice-name=pod-a  ray.io/tpu-worker-id=2  ray.io/tpu-topology=4x4

A slice trains only when all its hosts are up. Ray waits for a missing host until a timeout, and then reports only that
placement failed; the labels tell at once which host is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clt_ray.sweep.sections import HardwareSpec

SLICE_NAME = "ray.io/tpu-slice-name"
WORKER_ID = "ray.io/tpu-worker-id"
TOPOLOGY = "ray.io/tpu-topology"


@dataclass(frozen=True)
class SliceState:
    """A TPU slice of which at least one host is up."""

    name: str
    hosts: int
    """Number of hosts of the topology."""
    present: tuple[int, ...]
    """Worker ids of the hosts that are up, sorted."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Worker ids of the hosts that are not up, sorted."""
        return tuple(sorted(set(range(self.hosts)) - set(self.present)))

    @property
    def whole(self) -> bool:
        """Whether all hosts are up, each once."""
        return self.present == tuple(range(self.hosts))

    def __str__(self) -> str:
        if self.whole:
            return f"slice {self.name} is whole"
        ids = ", ".join(map(str, self.missing)) or "none"
        return f"slice {self.name} has {len(self.present)} of {self.hosts} hosts, worker ids missing: {ids}"


def hosts_and_resources(hardware: HardwareSpec) -> tuple[int, dict[str, float]]:
    """Returns the number of hosts of a run's slice, and the resources of the one worker on each host: all its chips.

    Raises:
        ValueError: Ray does not know this topology of the accelerator.
    """
    from ray.util.tpu import get_tpu_worker_resources

    assert hardware.topology is not None, "a sweep file with a TPU must name a topology"
    hosts, resources = get_tpu_worker_resources(
        topology=hardware.topology,
        accelerator_type=hardware.accelerator,
        resources_per_worker={"CPU": hardware.cpus_per_worker},
    )
    return hosts, resources


def slice_states(nodes: Iterable[Mapping[str, Any]], topology: str, accelerator: str, hosts: int) -> list[SliceState]:
    """Returns the slices with this topology and accelerator, sorted by name.

    Args:
        nodes: The result of `ray.nodes()`.
        topology: For example `8x8`.
        accelerator: For example `TPU-V5LITEPOD`.
        hosts: Number of hosts of such a slice.
    """
    present: dict[str, list[int]] = {}
    for node in nodes:
        labels = node.get("Labels") or {}
        resource = f"accelerator_type:{accelerator}"
        if not node.get("Alive") or labels.get(TOPOLOGY) != topology or resource not in (node.get("Resources") or {}):
            continue
        name = labels.get(SLICE_NAME) or str(node.get("NodeID"))
        present.setdefault(name, []).append(int(labels.get(WORKER_ID, 0)))
    return [SliceState(name, hosts, tuple(sorted(ids))) for name, ids in sorted(present.items())]


def describe_incomplete(states: Iterable[SliceState]) -> str:
    """Returns a description of the slices that lack hosts; empty when there is none."""
    return "; ".join(str(state) for state in states if not state.whole)
