"""cluster.yaml under the autoscaler that `ray up` starts: Ray's own reconciler, without a cloud.

The cloud is a table of running instances. The state of the Ray cluster, which the head node would report, is built
from the start commands of cluster.yaml, executed by bash with a `ray` that prints its environment.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.gcp.node_provider import GCPNodeProvider
from ray.autoscaler._private.gcp.tpu_command_runner import _maybe_remove_head_resource
from ray.autoscaler._private.util import prepare_config, with_envs
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.instance_manager.instance_manager import InstanceManager
from ray.autoscaler.v2.instance_manager.instance_storage import InstanceStorage
from ray.autoscaler.v2.instance_manager.node_provider import CloudInstance, ICloudInstanceProvider
from ray.autoscaler.v2.instance_manager.reconciler import Reconciler
from ray.autoscaler.v2.instance_manager.storage import InMemoryStorage
from ray.autoscaler.v2.instance_manager.subscribers.cloud_instance_updater import CloudInstanceUpdater
from ray.autoscaler.v2.instance_manager.subscribers.cloud_resource_monitor import CloudResourceMonitor
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler
from ray.core.generated import autoscaler_pb2, instance_manager_pb2

cluster_state: Any = autoscaler_pb2
instances: Any = instance_manager_pb2

ROOT = Path(__file__).parents[2]
HOSTS, SLICE, ACCELERATOR = 16, "v5e_64", "v5litepod-64"
STEPS = 5
STOPPING = (instances.Instance.RAY_STOP_REQUESTED, instances.Instance.RAY_STOPPING, instances.Instance.TERMINATING)


@pytest.fixture
def config() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    filled: dict[str, Any] = GCPNodeProvider.fillout_available_node_types_resources(prepare_config(document))
    return filled


class Cloud(ICloudInstanceProvider):
    """The instances that run, and what the autoscaler asks for."""

    def __init__(self) -> None:
        self.running: dict[str, CloudInstance] = {}
        self.terminated: list[str] = []
        self.launched: dict[str, int] = {}

    def add(self, name: str, kind: str, head: bool = False) -> None:
        node_kind = instances.NodeKind.HEAD if head else instances.NodeKind.WORKER
        self.running[name] = CloudInstance(name, kind, node_kind, True)

    def get_non_terminated(self) -> dict[str, CloudInstance]:
        return dict(self.running)

    def terminate(self, ids: Sequence[str], request_id: str) -> None:
        self.terminated += ids

    def launch(self, shape: dict[str, int], request_id: str) -> None:
        for kind, count in shape.items():
            self.launched[kind] = self.launched.get(kind, 0) + count

    def poll_errors(self) -> list[Any]:
        return []


def instance_id_of_host(config: dict[str, Any], host: int, command: str) -> str:
    """Executes a start command on a host as Ray's launcher composes it; returns the instance id that Ray would see."""
    resources = config["available_node_types"][SLICE]["resources"]
    variables = _maybe_remove_head_resource({"RAY_OVERRIDE_RESOURCES": dict(resources)}, host, ACCELERATOR)
    variables_of_launcher = {"RAY_HEAD_IP": "10.0.0.1", "RAY_CLOUD_INSTANCE_ID": "slice-a"}
    composed = next(iter(with_envs([command], variables_of_launcher)))
    script = 'ray() { echo "id=${RAY_CLOUD_INSTANCE_ID-}"; }; ulimit() { :; }; '
    script += f"export RAY_OVERRIDE_RESOURCES='{json.dumps(variables['RAY_OVERRIDE_RESOURCES'])}'; {composed}"
    lines = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={}).stdout.split()
    return lines[-1].removeprefix("id=")


def node(name: str, instance_id: str, kind: str, resources: dict[str, float], idle_seconds: int = 0) -> Any:
    status = cluster_state.NodeStatus.IDLE if idle_seconds else cluster_state.NodeStatus.RUNNING
    return cluster_state.NodeState(
        node_id=name.encode(), instance_id=instance_id, ray_node_type_name=kind, status=status,
        total_resources=resources, available_resources=resources, idle_duration_ms=1000 * idle_seconds,
    )  # fmt: skip


def replay(config: dict[str, Any], command: str, hosts: int = HOSTS, idle_seconds: int = 0, runs: int = 0) -> Cloud:
    """Lets the reconciler work on a head node and one slice with this many hosts up, for some steps.

    Ray Train reports to it the resources of all workers of the runs, those that run included.
    """
    cloud = Cloud()
    cloud.add("head-0", "head", head=True)
    types = config["available_node_types"]
    nodes = [node("head", "head-0", "head", {"node:__internal_head__": 1.0})]
    if hosts:
        cloud.add("slice-a", SLICE)
    for host in range(hosts):
        resources = {name: float(value) for name, value in types[SLICE]["resources"].items()}
        if host:
            resources.pop(f"TPU-{ACCELERATOR}-head")
        identity = instance_id_of_host(config, host, command)
        nodes.append(node(f"host{host:02}", identity, SLICE, resources, idle_seconds))
    bundle = cluster_state.ResourceRequest(resources_bundle={"CPU": 1, "TPU": 4})
    bundles = cluster_state.ResourceRequestByCount(request=bundle, count=HOSTS * runs)
    demand = cluster_state.ClusterResourceConstraint(resource_requests=[bundles] if runs else [])
    monitor = CloudResourceMonitor()
    manager = InstanceManager(InstanceStorage("clt-ray", InMemoryStorage()), [CloudInstanceUpdater(cloud), monitor])
    scheduler = ResourceDemandScheduler(None)
    for version in range(1, STEPS + 1):
        Reconciler.reconcile(
            manager, scheduler, cloud, monitor,
            cluster_state.ClusterResourceState(
                cluster_resource_state_version=version, node_states=nodes, cluster_resource_constraints=[demand]
            ),
            cloud.get_non_terminated(), AutoscalingConfig(copy.deepcopy(config), skip_content_hash=True),
        )  # fmt: skip
        known, _ = manager._instance_storage.get_instances()
        cloud.terminated += [each.cloud_instance_id for each in known.values() if each.status in STOPPING]
        if cloud.terminated:
            break
    return cloud


def test_a_slice_of_16_hosts_stays(config: dict[str, Any]) -> None:
    cloud = replay(config, config["worker_start_ray_commands"][-1])
    assert (cloud.terminated, cloud.launched) == ([], {})


@pytest.mark.parametrize("runs", [1, 3])
def test_runs_neither_start_nor_stop_slices(config: dict[str, Any], runs: int) -> None:
    cloud = replay(config, config["worker_start_ray_commands"][-1], runs=runs)
    assert (cloud.terminated, cloud.launched) == ([], {})


def test_without_the_command_the_autoscaler_deletes_the_slice(config: dict[str, Any]) -> None:
    """Shows that this replay sees the fault that the start command avoids."""
    cloud = replay(config, "ray start")
    assert "slice-a" in cloud.terminated


def test_the_first_slice_is_launched_once(config: dict[str, Any]) -> None:
    cloud = replay(config, config["worker_start_ray_commands"][-1], hosts=0)
    assert (cloud.terminated, cloud.launched) == ([], {SLICE: 1})


def test_an_idle_slice_stays_as_long_as_it_is_the_minimum(config: dict[str, Any]) -> None:
    day = 24 * 3600
    command = config["worker_start_ray_commands"][-1]
    assert replay(config, command, idle_seconds=day).terminated == []
    config["available_node_types"][SLICE]["min_workers"] = 0
    assert set(replay(config, command, idle_seconds=day).terminated) == {"slice-a"}
