"""Which TPU slices a cluster has, whole or not, from the labels that Ray puts on its nodes.

    labels of a v5e-16 host: ray.io/tpu-slice-name=pod-a  ray.io/tpu-worker-id=2  ray.io/tpu-topology=4x4

A slice trains only with all its hosts. Ray waits for a missing one until a timeout and then says that placement
failed; what is missing can be read from the labels at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clt_ray.sweep.sections import HardwareSpec

SLICE_NAME = "ray.io/tpu-slice-name"
WORKER_ID = "ray.io/tpu-worker-id"
TOPOLOGY = "ray.io/tpu-topology"


@dataclass(frozen=True)
class SliceState:
    """A slice of which at least one host is up."""

    name: str
    hosts: int
    """Hosts that the topology has."""
    present: tuple[int, ...]
    """Worker ids of the hosts that are up, sorted."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Worker ids of the hosts that are not."""
        return tuple(sorted(set(range(self.hosts)) - set(self.present)))

    @property
    def whole(self) -> bool:
        return self.present == tuple(range(self.hosts))

    def __str__(self) -> str:
        if self.whole:
            return f"slice {self.name} is whole"
        ids = ", ".join(map(str, self.missing)) or "none"
        return f"slice {self.name} has {len(self.present)} of {self.hosts} hosts, worker ids missing: {ids}"


def hosts_and_resources(hardware: HardwareSpec) -> tuple[int, dict[str, float]]:
    """Hosts of the slice that a run asks for, and what its one worker on each takes: every chip, and its CPUs.

    Raises:
        ValueError: Ray knows no such topology of this accelerator.
    """
    from ray.util.tpu import get_tpu_worker_resources

    assert hardware.topology is not None, "the specification demands a topology for a TPU"
    hosts, resources = get_tpu_worker_resources(
        topology=hardware.topology,
        accelerator_type=hardware.accelerator,
        resources_per_worker={"CPU": hardware.cpus_per_worker},
    )
    return hosts, resources


def slice_states(nodes: Iterable[Mapping[str, Any]], topology: str, accelerator: str, hosts: int) -> list[SliceState]:
    """The slices of one kind, by name.

    Args:
        nodes: As `ray.nodes()` tells them.
        topology: Such as `8x8`.
        accelerator: Such as `TPU-V5LITEPOD`.
        hosts: Hosts that such a slice has.
    """
    present: dict[str, list[int]] = {}
    for node in nodes:
        labels = node.get("Labels") or {}
        kind = f"accelerator_type:{accelerator}"
        if not node.get("Alive") or labels.get(TOPOLOGY) != topology or kind not in (node.get("Resources") or {}):
            continue
        name = labels.get(SLICE_NAME) or str(node.get("NodeID"))
        present.setdefault(name, []).append(int(labels.get(WORKER_ID, 0)))
    return [SliceState(name, hosts, tuple(sorted(ids))) for name, ids in sorted(present.items())]


def told(states: Iterable[SliceState]) -> str:
    """What is wrong with the slices, in one clause; empty when nothing is."""
    return "; ".join(str(state) for state in states if not state.whole)
