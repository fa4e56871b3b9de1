"""TPU slices on a real local Ray whose nodes are labelled as TPU hosts: placement of runs, and lost hosts."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.orchestration.slices import SliceState, describe_incomplete, slice_states
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.clusters import ENVIRONMENT, V5E, cluster, kill
from tests.support.sweeps import sweep, write

HOSTS = 4


def node(slice_name: str, worker_id: int, alive: bool = True) -> dict[str, Any]:
    labels = {
        "ray.io/tpu-slice-name": slice_name, "ray.io/tpu-worker-id": str(worker_id), "ray.io/tpu-topology": "4x4",
    }  # fmt: skip
    return {"Alive": alive, "Labels": labels, "Resources": {f"accelerator_type:{V5E}": 1.0, "TPU": 4.0}}


def test_a_slice_is_whole_when_all_its_hosts_are_up() -> None:
    nodes = [node("a", index) for index in (2, 0, 3, 1)]
    nodes += [node("b", index, alive=index != 2) for index in range(HOSTS)]
    states = slice_states(nodes, "4x4", V5E, HOSTS)
    assert states == [SliceState("a", HOSTS, (0, 1, 2, 3)), SliceState("b", HOSTS, (0, 1, 3))]
    assert describe_incomplete(states) == "slice b has 3 of 4 hosts, worker ids missing: 2"
    assert slice_states(nodes, "8x8", V5E, 16) == []
    assert slice_states(nodes, "4x4", "TPU-V6E", HOSTS) == []


def test_a_slice_with_one_host_twice_is_not_whole() -> None:
    assert not slice_states([node("a", index) for index in (0, 1, 1, 3)], "4x4", V5E, HOSTS)[0].whole


@pytest.fixture(scope="module")
def slice_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """The host processes of one 4x4 slice, in a cluster whose head node could run workers too."""
    import ray

    with pytest.MonkeyPatch.context() as patch, cluster(tmp_path_factory.mktemp("r"), cpus=8) as started:
        settings = {**ENVIRONMENT, "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2", "PYTHONPATH": os.pathsep.join(sys.path)}
        for name, value in settings.items():
            patch.setenv(name, value)
        hosts = started.add_slice("pod-a", {"PJRT_DEVICE": "CPU"})
        ray.init(address=started.address, log_to_driver=False, runtime_env={"env_vars": settings})
        yield hosts
        ray.shutdown()


def tpu_run(folder: Path) -> RunSpec:
    hardware = {"accelerator": V5E, "topology": "4x4", "mesh": "16x1"}
    return expand(load_sweep(write(folder / "sweep.yaml", sweep(hardware=hardware))))[0]


def probe(config: dict[str, Any]) -> dict[str, Any]:
    """Training function that writes a file about its worker, and lasts long enough for runs to overlap."""
    import ray
    import ray.train

    context, runtime = ray.train.get_context(), ray.get_runtime_context()
    names = ("CLT_RAY_PROCESS_INDEX", "CLT_RAY_PROCESS_COUNT", "MASTER_ADDR", "RANK", "WORLD_SIZE")
    began = time.time()
    facts = {
        "rank": context.get_world_rank(),
        "node": runtime.get_node_id(),
        "slice": runtime.get_node_labels().get("ray.io/tpu-slice-name"),
        "tpus": runtime.get_assigned_resources().get("TPU"),
        "environment": {name: os.environ.get(name) for name in names},
        "torch_xla_imported": "torch_xla" in sys.modules,
        "began": began,
    }
    folder = Path(config["folder"])
    name = f"{context.get_experiment_name()}-{context.get_world_rank()}.json"
    # Another run would start within these seconds if resources allowed it.
    while time.time() < began + 3:
        ray.get(ray.put(1))
    (folder / name).write_text(json.dumps(facts | {"ended": time.time()}))
    return facts


@pytest.mark.serial
def test_a_run_gets_all_hosts_of_one_slice_exclusively(slice_hosts: list[Any], tmp_path: Path) -> None:
    import ray
    from ray.train.v2.api.config import FailureConfig, RunConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from clt_ray.orchestration.driver import scaling
    from clt_ray.orchestration.places import Cluster, capacity
    from clt_ray.orchestration.xla import XlaConfig

    run = tpu_run(tmp_path)
    assert capacity(run.hardware, ray.nodes()) == 1
    Cluster([run], None, is_local=False).check()

    @ray.remote(num_cpus=1)
    def drive(name: str) -> None:
        # Ray annotates the parameter with the class of Train V1.
        run_config: Any = RunConfig(
            name=name, storage_path=str(tmp_path / "ray"), failure_config=FailureConfig(controller_failure_limit=2)
        )
        DataParallelTrainer(
            probe,
            train_loop_config={"folder": str(tmp_path)},
            scaling_config=scaling(run),
            backend_config=XlaConfig(),
            run_config=run_config,
        ).fit()

    ray.get([drive.remote("first"), drive.remote("second")], timeout=180)
    spans = []
    for name in ("first", "second"):
        facts_by_rank = [json.loads((tmp_path / f"{name}-{rank}.json").read_text()) for rank in range(HOSTS)]
        assert {host["slice"] for host in facts_by_rank} == {"pod-a"}
        assert len({host["node"] for host in facts_by_rank}) == HOSTS
        for rank, host in enumerate(facts_by_rank):
            environment = host["environment"]
            assert (environment["CLT_RAY_PROCESS_INDEX"], environment["CLT_RAY_PROCESS_COUNT"]) == (str(rank), "4")
            assert environment["MASTER_ADDR"]
            assert environment["RANK"] is None and environment["WORLD_SIZE"] is None
            assert host["tpus"] == 4 and not host["torch_xla_imported"]
        spans.append((min(host["began"] for host in facts_by_rank), max(host["ended"] for host in facts_by_rank)))
    earlier, later = sorted(spans)
    assert earlier[1] <= later[0]


@pytest.mark.serial
def test_a_slice_that_lost_a_host_is_reported_before_anything_starts(slice_hosts: list[Any], tmp_path: Path) -> None:
    import ray

    from clt_ray.orchestration.places import Cluster
    from clt_ray.orchestration.queue import Limits, pool

    run = tpu_run(tmp_path)
    kill(slice_hosts[3])
    deadline = time.monotonic() + 60
    while sum(node["Alive"] for node in ray.nodes()) > HOSTS and time.monotonic() < deadline:
        ray.get(ray.put(1))
    with pytest.raises(ConfigurationError, match=r"pod-a has 3 of 4 hosts, worker ids missing: 3"):
        Cluster([run], None, is_local=True).check()
    # With a limit an autoscaler may start other slices, and the run may ask for one.
    assert Cluster([run], 2, is_local=False).limits()[pool(run.hardware)] in (Limits(1, 2), Limits(32, 2))
