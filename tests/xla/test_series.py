"""Runs of a TPU slice, one after the other in the process that holds the chips: what the first compiled serves all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch_xla")

from clt_ray.orchestration.warm import run_in_series
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.slice_runs import hardware
from tests.support.sweeps import sweep, write

CHIPS = {"PJRT_DEVICE": "CPU", "CPU_NUM_DEVICES": "4", "XLA_NO_SPECIAL_SCALARS": "1"}


@pytest.fixture(autouse=True)
def simulated_chips(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CHIPS.items():
        monkeypatch.setenv(name, value)


def runs(folder: Path) -> list[RunSpec]:
    """Two runs of one model on other rows, at other learning rates."""
    grids: list[dict[str, Any]] = [
        {"grid": {"samples_per_language": [0]}, "training": {"max_steps": 4, "learning_rate": 1e-5}},
        {"grid": {"samples_per_language": [8]}, "training": {"max_steps": 4, "learning_rate": 1e-4}},
    ]
    return [
        expand(load_sweep(write(folder / f"{place}.yaml", sweep(hardware=hardware("4x1"), **changes))))[-1]
        for place, changes in enumerate(grids)
    ]


def test_the_second_run_compiles_nothing_and_equals_one_that_is_alone(tmp_path: Path) -> None:
    first, second = runs(tmp_path)
    series, alone = Store(str(tmp_path / "series")), Store(str(tmp_path / "alone"))
    for run in (first, second):
        assert run_in_series({"run": run.to_dict(), "storage": series.uri}, f"series-{os.getpid()}") == "finished"
    assert run_in_series({"run": second.to_dict(), "storage": alone.uri}, f"alone-{os.getpid()}") == "finished"
    before, after, expected = (
        [point.metrics for point in store.run_dir(run.run_id).metrics("train")]
        for store, run in ((series, first), (series, second), (alone, second))
    )
    graphs = [points[-1]["perf/compiled_graphs"] for points in (before, after, expected)]
    assert graphs[1] == 0 < graphs[0] == graphs[2]
    assert [point["train/loss"] for point in after] == [point["train/loss"] for point in expected]


def test_hosts_whose_processes_are_not_of_the_same_age_do_not_touch_their_chips(tmp_path: Path) -> None:
    run = runs(tmp_path)[0]
    program = textwrap.dedent("""
        import json, sys
        from clt_ray.sweep.run import RunSpec
        from clt_ray.training.backends.xla.backend import XlaBackend
        XlaBackend.runs_joined = int(sys.argv[2])
        try:
            XlaBackend().start(RunSpec.from_dict(json.loads(sys.argv[1])))
        except Exception as error:
            print(type(error).__name__, error)
    """)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    hosts = []
    for rank, runs_joined in enumerate((3, 0)):
        place = {"CLT_RAY_PROCESS_INDEX": str(rank), "CLT_RAY_PROCESS_COUNT": "2"}
        environment = {**os.environ, **place, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-c", program, json.dumps(run.to_dict()), str(runs_joined)]
        hosts.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    for host in hosts:
        printed, _ = host.communicate()
        assert "DisagreementError the processes of the hosts are at runs [4, 1]" in printed
