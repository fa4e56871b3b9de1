"""cluster.yaml passes Ray's own validation, without access to a cloud."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clt_ray.orchestration.slices import hosts_and_resources
from clt_ray.sweep.sections import HardwareSpec

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return document


def test_the_file_matches_the_schema(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


SIZES = {8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"}
TYPES = {f"v5e_{chips}{spot}": chips for chips in SIZES for spot in ("", "_spot")}


def test_there_is_a_type_for_every_size_on_demand_and_spot(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.gcp.config import get_node_type
    from ray.autoscaler._private.gcp.node import GCPNodeType

    types = cluster["available_node_types"]
    assert set(types) == {"head", *TYPES}
    assert get_node_type(types["head"]["node_config"]) == GCPNodeType.COMPUTE
    for name in TYPES:
        assert get_node_type(types[name]["node_config"]) == GCPNodeType.TPU
        assert types[name]["node_config"]["schedulingConfig"].get("spot", False) == name.endswith("_spot")
        assert types[name]["min_workers"] == types[name]["max_workers"]
    assert sum(kind["max_workers"] for kind in types.values()) == cluster["max_workers"]


def test_a_run_fits_the_hosts_of_its_slice(cluster: dict[str, Any]) -> None:
    """Ray Train asks for as many workers as the topology has hosts, each with the resources of one host."""
    from ray.autoscaler._private.gcp.node_provider import GCPNodeProvider

    filled = GCPNodeProvider.fillout_available_node_types_resources(cluster)["available_node_types"]
    for name, chips in TYPES.items():
        resources = filled[name]["resources"]
        hosts, worker = hosts_and_resources(HardwareSpec(accelerator="TPU-V5LITEPOD", topology=SIZES[chips]))
        worker = {resource: amount for resource, amount in worker.items() if amount}
        assert all(resources[resource] >= amount for resource, amount in worker.items())
        assert hosts * resources["TPU"] == chips
        heads = [resource for resource in resources if resource.endswith("-head")]
        assert heads == ([f"TPU-v5litepod-{chips}-head"] if hosts > 1 else heads)


def test_the_head_is_on_demand_without_cpus_for_workers(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"]["head"]
    assert head["resources"]["CPU"] == 0
    assert "scheduling" not in head["node_config"]


def test_every_node_requires_the_same_token(cluster: dict[str, Any]) -> None:
    assert cluster["file_mounts"] == {"/root/.ray/auth_token": "~/.ray/auth_token"}
    for role in ("head", "worker"):
        assert "RAY_AUTH_MODE=token" in cluster[f"{role}_start_ray_commands"][-1]
