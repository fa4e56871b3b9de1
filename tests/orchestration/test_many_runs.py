"""A long sweep neither becomes slower nor takes more memory as it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.trivial_runs import execute

RUNS = 200
WARM = 60
"""Runs after which all processes have loaded what they need."""
DRIVER_GROWTH_BYTES = 10e6
SUPERVISOR_GROWTH_BYTES = 40e6
"""MLflow's database layer keeps up to 500 compiled statements, which it has after some hundred runs."""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.serial
def test_the_last_runs_of_two_hundred_cost_what_earlier_ones_did(tmp_path: Path) -> None:
    observed = execute(tmp_path, RUNS)
    warm, end = observed.at(WARM), observed.at(RUNS)
    assert end.supervisor_bytes - warm.supervisor_bytes < SUPERVISOR_GROWTH_BYTES
    assert end.driver_bytes - warm.driver_bytes < DRIVER_GROWTH_BYTES
    # The wall time of trivial runs depends on what else this machine does.
    half = (RUNS - WARM) // 2
    _, earlier = observed.cpu_seconds_per_run(WARM, WARM + half)
    _, later = observed.cpu_seconds_per_run(WARM + half, RUNS)
    assert later < 1.2 * earlier
