"""What a node lacks is said before anything starts, each time with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.orchestration.preflight import Needs, check_nodes, lacks
from clt_ray.orchestration.worker import agree
from clt_ray.pipeline import package_versions
from clt_ray.store.probe import write_probe
from clt_ray.sweep.sections import HardwareSpec
from tests.support.sweeps import runs_of


@pytest.fixture
def needs(tmp_path: Path) -> Needs:
    """What a node has that equals the one that executes the sweep."""
    uri = str(tmp_path)
    return Needs(uri, write_probe(uri), package_versions())


def test_a_node_that_has_everything_lacks_nothing(needs: Needs, tmp_path: Path) -> None:
    everything = replace(needs, paths=(str(tmp_path),), disk_bytes=1)
    assert lacks(everything) == []
    check_nodes(everything, is_local=True)


def test_every_lack_is_named_with_its_remedy(needs: Needs, tmp_path: Path) -> None:
    poor = replace(
        needs, storage=str(tmp_path / "other"), versions={**needs.versions, "torch": "9.9"},
        paths=(str(tmp_path / "rows"),), models=(("nobody/no-model", "main"),), disk_bytes=10**18,
    )  # fmt: skip
    with pytest.raises(ConfigurationError) as refused:
        check_nodes(poor, is_local=True)
    problems = list(refused.value.problems)
    assert {problem.where for problem in problems} == {"node"} and all(problem.remedy for problem in problems)
    text = [problem.message for problem in problems]
    assert text[0] == f"does not see the storage {tmp_path / 'other'} of the sweep"
    assert "instead of 9.9" in text[1] and "torch" in text[1]
    assert text[2] == f"does not have {tmp_path / 'rows'}"
    assert text[3].startswith("cannot read the model nobody/no-model (")
    assert "a checkpoint takes 1000000000.0 GB" in text[4]
    # A node that comes later says the first of them itself.
    with pytest.raises(RuntimeError, match=r"does not see the storage .*: give a folder that all nodes share"):
        agree(poor.storage, poor.probe, poor.versions)


def test_needs_follow_from_the_runs(tmp_path: Path) -> None:
    local, rows = str(tmp_path / "model"), str(tmp_path / "rows")
    slice_ = HardwareSpec(accelerator="TPU-V5LITEPOD", topology="8x8")
    (hub, *_) = runs_of()
    runs = [
        replace(hub, hardware=slice_),
        replace(
            hub,
            model=hub.model.model_copy(update={"name": "mine", "source": local, "parameters": 10**9}),
            data={"math": hub.data["math"].model_copy(update={"root": rows, "dataset": None})},
        ),
    ]
    needed = Needs.of(runs, "s3://bucket/runs", "token", {})
    assert needed.paths == (local, rows)
    assert needed.models == ((hub.model.source, hub.model.revision),)
    # 16 hosts share the state of 8 billion parameters, and one writes all weights.
    assert hub.model.parameters is not None
    assert needed.disk_bytes == round(hub.model.parameters * (12 / 16 + 4))
