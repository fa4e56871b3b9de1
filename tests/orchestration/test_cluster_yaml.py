"""cluster.yaml passes Ray's own validation, without access to a cloud."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return document


def test_the_file_matches_the_schema(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_ray_recognises_the_slice_as_a_tpu_pod(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.gcp.config import get_node_type
    from ray.autoscaler._private.gcp.node import GCPNodeType

    types = cluster["available_node_types"]
    assert get_node_type(types["v5e_64"]["node_config"]) == GCPNodeType.TPU
    assert get_node_type(types["head"]["node_config"]) == GCPNodeType.COMPUTE


def test_ray_adds_the_slice_head_resource(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.gcp.node_provider import GCPNodeProvider

    node_types = GCPNodeProvider.fillout_available_node_types_resources(cluster)
    assert node_types["available_node_types"]["v5e_64"]["resources"]["TPU-v5litepod-64-head"] == 1


def test_the_head_has_no_cpus_for_workers(cluster: dict[str, Any]) -> None:
    assert cluster["available_node_types"]["head"]["resources"]["CPU"] == 0
