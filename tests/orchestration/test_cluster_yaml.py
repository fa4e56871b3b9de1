"""cluster.yaml passes Ray's own validation, without touching a cloud."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> dict:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def test_schema_and_defaults(cluster: dict) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_ray_reads_the_slice_as_a_tpu_pod(cluster: dict) -> None:
    from ray.autoscaler._private.gcp.config import get_node_type
    from ray.autoscaler._private.gcp.node import GCPNodeType

    types = cluster["available_node_types"]
    assert get_node_type(types["v5e_64"]["node_config"]) == GCPNodeType.TPU
    assert get_node_type(types["head"]["node_config"]) == GCPNodeType.COMPUTE


def test_ray_adds_the_slice_head_resource(cluster: dict) -> None:
    from ray.autoscaler._private.gcp.node_provider import GCPNodeProvider

    filled = GCPNodeProvider.fillout_available_node_types_resources(cluster)
    assert filled["available_node_types"]["v5e_64"]["resources"]["TPU-v5litepod-64-head"] == 1


def test_nothing_but_drivers_fits_on_the_head(cluster: dict) -> None:
    assert cluster["available_node_types"]["head"]["resources"]["CPU"] == 0
