"""`clt-ray plan --compile`: what a sweep's steps need of a chip, before anything is reserved."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.commands import clt_ray
from tests.support.sweeps import sweep, write

SLICE = {"accelerator": "TPU-V5LITEPOD", "topology": "2x2", "mesh": "4x1"}
INSTALLED = find_spec("torch_xla") is not None


@pytest.mark.skipif(not INSTALLED, reason="needs the tpu extra")
def test_every_run_of_a_shape_is_proved_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "tpu.yaml", sweep(hardware=SLICE))
    done = clt_ray("plan", str(path), "--compile", "--json", storage=tmp_path / "store")
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)
    (proof,) = planned["compiled"]
    assert proof["fits"] and 0 < proof["total_gib"] < 1 < proof["chip_gib"] < 16
    assert proof["runs"] == len({run["run_id"] for run in planned["runs"]})
    assert proof["compiled_layers"] == [proof["layers"]]
    assert done.stderr.startswith("compiling tiny for TPU-V5LITEPOD 2x2, mesh 4x1")


def test_a_sweep_without_a_tpu_has_nothing_to_compile(tmp_path: Path) -> None:
    path = write(tmp_path / "cpu.yaml", sweep())
    done = clt_ray("plan", str(path), "--compile", storage=tmp_path / "store")
    assert done.returncode == 2
    assert "hardware.accelerator: no run is on a TPU that libtpu compiles for" in done.stderr


@pytest.mark.skipif(INSTALLED, reason="about the environment without the tpu extra")
def test_without_the_compiler_the_environment_to_use_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "tpu.yaml", sweep(hardware=SLICE))
    done = clt_ray("plan", str(path), "--compile", storage=tmp_path / "store")
    assert done.returncode == 2
    assert "torch_xla, libtpu, jax: not installed" in done.stderr and "clt-ray[tpu]" in done.stderr
