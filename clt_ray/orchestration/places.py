"""What a run asks the cluster for, and whether the cluster has it, or can get it.

A trial's placement group holds the place of its run: a share of the head node for the driver, and one bundle per
worker. While the group is pending, the run waits, and an autoscaler starts nodes for it. A TPU slice is different. Its
hosts can only be reserved together once the slice is known, so the group holds the driver's share alone and Ray Train
reserves the slice (`ray.util.tpu.SlicePlacementGroup`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.orchestration.queue import Limits, pool
from clt_ray.orchestration.slices import describe_incomplete, hosts_and_resources, slice_states
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import HardwareSpec

HEAD = "node:__internal_head__"
"""Resource of which the head node has 1.0. A share of it keeps drivers off the nodes that train."""
HEAD_SHARE = 0.001
"""Share of a driver; Ray's own actors take a small part as well, so about 900 runs can be alive."""

MOST_PENDING = 32
"""Most runs with one hardware that ask an autoscaler for places at a time. Each is one small record in Ray; what is
asked for beyond the quota of the cluster stays pending."""
ANSWER_SECONDS = 3.0
"""Time that the autoscaler has to refuse a demand; it looks at demands every few seconds."""
PROBE_SECONDS = 10.0
"""Time that Ray's autoscaler (version 2) has to answer that no node type fits; it looks every few seconds."""


def bundles(hardware: HardwareSpec) -> list[dict[str, float]]:
    """Returns the resources of the placement group of a trial: first the driver's, then each worker's."""
    return [{HEAD: HEAD_SHARE}, *([] if hardware.is_tpu else [worker(hardware)] * hardware.workers)]


def worker(hardware: HardwareSpec) -> dict[str, float]:
    """Returns the resources of one worker on CPUs or GPUs."""
    return {"CPU": float(hardware.cpus_per_worker)} | ({"GPU": 1.0} if hardware.accelerator == "GPU" else {})


def description(hardware: HardwareSpec) -> str:
    """Returns what a run waits for, for people: `1 worker with 1 CPU`."""
    if hardware.is_tpu:
        return f"a slice {hardware.accelerator} {hardware.topology}"
    resources = " and ".join(f"{amount:g} {name}" for name, amount in worker(hardware).items())
    return f"{hardware.workers} worker{'s' * (hardware.workers > 1)} with {resources}"


def capacity(hardware: HardwareSpec, nodes: Sequence[Mapping[str, Any]]) -> int:
    """Returns how many runs fit on the living nodes (`ray.nodes()`) if nothing else were on them."""
    if hardware.is_tpu:
        hosts, _ = hosts_and_resources(hardware)
        return sum(state.whole for state in slice_states(nodes, str(hardware.topology), hardware.accelerator, hosts))
    needed = worker(hardware)
    alive = [node["Resources"] for node in nodes if node.get("Alive")]
    per_node = (min(int(node.get(name, 0.0) // amount) for name, amount in needed.items()) for node in alive)
    return sum(per_node) // hardware.workers


def _unused(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The nodes with the resources that nobody uses. A TPU host with a chip in use has none: a slice is taken whole."""
    import ray

    state: Any = ray._private.state
    available = state.available_resources_per_node()

    def left(node: Mapping[str, Any]) -> Mapping[str, float]:
        resources = available.get(node["NodeID"], {})
        return resources if resources.get("TPU", 0.0) == node["Resources"].get("TPU", 0.0) else {}

    return [{**node, "Resources": left(node)} for node in nodes]


class Cluster:
    """The cluster that this process is connected to."""

    def __init__(self, runs: Sequence[RunSpec], max_concurrent: int | None, is_local: bool) -> None:
        self.is_local = is_local
        """Whether this process has started the cluster, for itself alone."""
        self._max_concurrent = max_concurrent
        placements = [place for run in runs for place in run.placements]
        self._pools = {pool(place.hardware): place for place in placements}
        self._choices = {tuple(pool(place.hardware) for place in run.placements) for run in runs}
        """The pools of each list of acceptable hardware."""
        self._can_grow = not is_local and _has_autoscaler()
        self._asked: dict[str, float] = {}
        """Since when the autoscaler has known of waiting runs with a hardware without refusing them, by pool."""

    def check(self) -> None:
        """Refuses runs whose place this cluster does not have and cannot get, all at once.

        Raises:
            ConfigurationError: For each hardware, what is missing and what to do.
        """
        import ray

        missing = {name: run for name, run in self._pools.items() if not capacity(run.hardware, ray.nodes())}
        impossible = {name: run for name, run in missing.items() if not self._can_grow or _is_infeasible(run.hardware)}
        hopeless = {name for choice in self._choices if impossible.keys() >= set(choice) for name in choice}
        if hopeless:
            raise ConfigurationError([_problem(impossible[name]) for name in impossible if name in hopeless])
        # A run with several acceptable kinds takes another one.
        self._pools = {name: run for name, run in self._pools.items() if name not in impossible}

    def limits(self) -> dict[str, Limits]:
        """Returns, for each pool, how many runs may ask for a place now."""
        import ray

        nodes = ray.nodes()
        limits = {name: self._limit(run.hardware, capacity(run.hardware, nodes)) for name, run in self._pools.items()}
        if all(len(choice) == 1 for choice in self._choices):
            return limits
        left = _unused(nodes)
        return {name: replace(limit, free=capacity(self._pools[name].hardware, left)) for name, limit in limits.items()}

    def _limit(self, hardware: HardwareSpec, places: int) -> Limits:
        if hardware.is_tpu:
            # The autoscaler refuses all demands together when their sum passes its maximum. It is therefore asked for
            # one more slice at a time, unless the user says how many there can be.
            growth = 1 if self._can_grow else 0
            return Limits(MOST_PENDING, max(places + growth, self._max_concurrent or 0))
        return Limits(MOST_PENDING if self._can_grow and self._grows(hardware) else 1)

    def _grows(self, hardware: HardwareSpec) -> bool:
        """Whether the autoscaler works on the demand for this hardware.

        More runs ask for places only then: where none can come, many waiting runs of one sweep would be served before
        the one of another sweep that came later.
        """
        demand = _Demand.now(hardware)
        if demand is None:
            return True
        if not demand.waits or demand.is_refused:
            self._asked.pop(pool(hardware), None)
            return False
        since = self._asked.setdefault(pool(hardware), time.monotonic())
        return time.monotonic() - since > ANSWER_SECONDS


def _problem(run: RunSpec) -> Problem:
    import ray

    hardware = run.hardware
    available = ray.cluster_resources()
    if hardware.is_tpu:
        hosts, _ = hosts_and_resources(hardware)
        states = slice_states(ray.nodes(), str(hardware.topology), hardware.accelerator, hosts)
        message = f"a run of {run.model.name} needs a whole slice of {hosts} hosts, and the cluster has none"
        message = "; ".join(filter(None, (message, describe_incomplete(states))))
        return Problem("cluster", f"{hardware.accelerator} {hardware.topology}", 0, message, "start its hosts")
    needed = worker(hardware)
    name = next((name for name, amount in needed.items() if available.get(name, 0.0) < amount), "CPU")
    message = f"a run of {run.model.name} needs {description(hardware)}, and no node or node type has room for them"
    remedy = "add nodes, or request less under `hardware` in the sweep file"
    return Problem("cluster", name, available.get(name, 0.0), message, remedy)


def _has_autoscaler() -> bool:
    """Whether nodes may come by themselves. An autoscaler of version 2 tells by its answers only; see `check`."""
    from ray.autoscaler.v2.utils import is_autoscaler_v2
    from ray.experimental.internal_kv import _internal_kv_get

    if is_autoscaler_v2():
        return True
    deadline = time.monotonic() + PROBE_SECONDS
    while time.monotonic() < deadline:
        report = json.loads(_internal_kv_get(b"__autoscaling_status") or b"{}").get("autoscaler_report")
        if report:
            # Without a configuration, Ray names the type of each node after the node.
            types = report["node_type_mapping"] or {}
            return any(name != f"node_{node}" for node, name in types.items())
        time.sleep(0.2)
    return True


@dataclass(frozen=True)
class _Demand:
    """What the autoscaler says about the waiting placement groups with workers of one hardware."""

    waits: bool
    is_refused: bool
    """Whether no node type fits, or none may be started any more."""

    @classmethod
    def now(cls, hardware: HardwareSpec) -> Self | None:
        """Asks version 2 of the autoscaler; None for version 1, which does not tell."""
        import ray
        from ray.autoscaler.v2.utils import is_autoscaler_v2
        from ray.core.generated import autoscaler_pb2

        if not is_autoscaler_v2():
            return None
        raylet: Any = ray._raylet
        messages: Any = autoscaler_pb2
        client = raylet.GcsClient(ray.get_runtime_context().gcs_address)
        reply = messages.GetClusterStatusReply.FromString(client.get_cluster_status())

        def has(gangs: Any) -> bool:
            bundles = (dict(request.resources_bundle) for gang in gangs for request in gang.requests)
            return worker(hardware) in bundles

        waiting = has(reply.cluster_resource_state.pending_gang_resource_requests)
        return cls(waiting, has(reply.autoscaling_state.infeasible_gang_resource_requests))


def _is_infeasible(hardware: HardwareSpec) -> bool:
    """Asks whether a node type fits, by a placement group that is removed again; version 1 lets the run wait."""
    from ray.util.placement_group import placement_group, remove_placement_group

    if hardware.is_tpu or _Demand.now(hardware) is None:
        return False
    probe = placement_group([worker(hardware)])
    try:
        if probe.wait(PROBE_SECONDS):
            return False
        demand = _Demand.now(hardware)
        return demand is not None and demand.is_refused
    finally:
        remove_placement_group(probe)
