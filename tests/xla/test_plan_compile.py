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
def test_every_run_of_a_shape_is_proved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write(tmp_path / "tpu.yaml", sweep(hardware=SLICE))
    done = clt_ray("plan", str(path), "--compile", "--json", storage=tmp_path / "store")
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)
    training, decoding = planned["compiled"]
    assert (training["program"], decoding["program"]) == ("training", "decoding")
    for proof in (training, decoding):
        assert proof["verdict"] == "fits" and 0 < proof["total_gib"] < 1 < proof["chip_gib"] < 16
        assert proof["runs"] == len({run["run_id"] for run in planned["runs"]})
        assert proof["compiled_layers"] == [proof["layers"]]
        assert set(proof["bounds"]) == {"compute", "memory", "interconnect"}
    # Published rates of a v5e chip: 197 TFLOP/s and 819 GB/s.
    assert training["bounds"]["compute"] == pytest.approx(training["flops"] / 197e12)
    assert training["bounds"]["memory"] == pytest.approx(training["bytes_accessed"] / 819e9)
    # A step gathers weights and reduces gradients; a token moves activations only.
    assert sum(decoding["collectives"].values()) < sum(training["collectives"].values())
    assert done.stderr.startswith("compiling training of tiny for TPU-V5LITEPOD 2x2, mesh 4x1")
    # What was compiled once is known: the second command has the same answer from two files.
    assert len(list((tmp_path / "cache/clt-ray/compiled").glob("*.json"))) == 2
    again = clt_ray("plan", str(path), "--compile", "--json", storage=tmp_path / "store")
    assert json.loads(again.stdout)["compiled"] == planned["compiled"]


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
