"""One program over several processes, each of which has its own chips and its own part of the state only.

torch_xla's CPU client has no devices of other processes, so the trainer's step is exported as it would run on a slice,
and jax's CPU client, which has them, runs it in processes that exchange data with Gloo. What this does not have is
torch_xla in each of the processes: that each gives the same program the same numbers is what `agreement` checks.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch_xla")

from tests.support.slice_runs import ROOT, elsewhere
from tests.support.tiny_models import save_tiny

DEVICE = Path(__file__).parent / "device"
CHIPS, STEPS = 4, 3


@pytest.mark.parametrize(("family", "mesh", "hosts"), [("llama", (4, 1), 2), ("cohere", (2, 2), 4)])
def test_hosts_that_hold_a_part_each_take_the_steps_of_one_process(
    tmp_path: Path, family: str, mesh: tuple[int, int], hosts: int
) -> None:
    model = save_tiny(family, tmp_path / "model", vocab_size=512)
    exported = elsewhere(DEVICE / "exported_step.py", CHIPS, str(model), str(tmp_path), *map(str, mesh))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    chips = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"--xla_force_host_platform_device_count={CHIPS // hosts}"}
    environment = {**os.environ, **chips, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    program = [sys.executable, str(DEVICE / "host_of_step.py"), str(tmp_path)]
    started = [
        subprocess.Popen(
            [*program, str(host), str(hosts), port, json.dumps(exported), str(STEPS)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for host in range(hosts)
    ]  # fmt: skip
    for process in started:
        printed, errors = process.communicate()
        assert process.returncode == 0, errors[-3000:]
        of_host = json.loads(printed.splitlines()[-1])
        losses_and_norms = [gauges[:2] for gauges in of_host["measured"]]
        assert losses_and_norms == [pytest.approx(expected, rel=1e-5) for expected in exported["measured"]]
        assert [gauges[2:] for gauges in of_host["measured"]] == [[step, 0, 0] for step in range(1, STEPS + 1)]
        # Norms and what the mesh does not divide are on every chip; everything else is on one host.
        assert 1 / hosts <= of_host["share"] < 1.1 / hosts
