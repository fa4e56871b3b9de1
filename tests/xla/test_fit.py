"""Batches, meshes and slices that do not fit are named before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.families import FAMILIES, Family, Heads
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import HardwareSpec, TrainingSpec
from clt_ray.training.backends import unsupported
from clt_ray.training.backends.xla import environment
from clt_ray.training.backends.xla.plan import MeshShape, head_misfits, misfits
from tests.support.sweeps import sweep, write


@pytest.fixture
def run(tmp_path: Path) -> RunSpec:
    return expand(load_sweep(write(tmp_path / "sweep.yaml", sweep())))[-1]


def on(run: RunSpec, batch: int, **hardware: Any) -> RunSpec:
    values = {field: getattr(run, field) for field in run.__dataclass_fields__}
    values["hardware"] = HardwareSpec(accelerator="TPU-V5LITEPOD", **hardware)
    values["training"] = TrainingSpec(batch_size=batch)
    return RunSpec(**values)


@pytest.mark.parametrize(
    ("topology", "mesh"), [("8x8", "64x1"), ("8x8", "32x2"), ("8x8", "16x4"), ("16x16", "64x4"), ("2x2", None)]
)
def test_the_meshes_of_the_study_take_its_batch_of_64(run: RunSpec, topology: str, mesh: str | None) -> None:
    assert misfits(on(run, 64, topology=topology, mesh=mesh)) == []
    assert unsupported(on(run, 64, topology=topology, mesh=mesh)) is None


def test_a_batch_that_does_not_split_is_named_with_one_that_does(run: RunSpec) -> None:
    (problem,) = misfits(on(run, 64, topology="16x16"))
    assert problem.key == "batch_size" and problem.value == 64
    assert "256 chips" in problem.message and "write 256" in problem.remedy and "mesh" in problem.remedy
    assert unsupported(on(run, 64, topology="16x16")) == problem


def test_a_mesh_of_another_number_of_chips_is_named(run: RunSpec) -> None:
    (problem,) = misfits(on(run, 64, topology="8x8", mesh="32x4"))
    assert "covers 128 chips" in problem.message and "8x8 has 64" in problem.message


def test_an_architecture_without_a_family_is_named_with_those_that_exist(
    run: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_slice = on(run, 64, topology="8x8")
    mamba = replace(on_slice, model=on_slice.model.model_copy(update={"architecture": "mamba"}))
    (problem,) = misfits(mamba)
    assert problem.value == "mamba" and "llama, cohere" in problem.remedy and "docs/extend.md" in problem.remedy
    monkeypatch.setattr(FAMILIES, "_all", {**FAMILIES.built_in, "mamba": Family("mamba", ("mamba2",), "module")})
    assert misfits(mamba) == []


def test_the_tensor_axis_has_to_divide_the_heads() -> None:
    assert head_misfits(Heads(32, 8), MeshShape(16, 4), "llama-3.1-8b") == []
    (problem,) = head_misfits(Heads(32, 8), MeshShape(4, 16), "llama-3.1-8b")
    assert problem.key == "llama-3.1-8b.mesh" and problem.value == "4x16" and "8 key-value heads" in problem.message


def test_a_process_gets_what_it_needs_and_nothing_that_harms(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"RANK": "3"}
    monkeypatch.setattr(os, "environ", variables)
    environment.prepare_slice_process(3, 16, "10.0.0.1", 1234)
    assert environment.wrong(variables) == []
    assert variables["PJRT_DEVICE"] == "TPU" and "RANK" not in variables
    assert (variables[environment.PROCESS_INDEX], variables[environment.PROCESS_COUNT]) == ("3", "16")
    assert environment.wrong(variables | {"XLA_USE_BF16": "1"}) == ["XLA_USE_BF16 is set"]
    assert len(environment.wrong({})) == 2


@pytest.mark.skipif(find_spec("torch_xla") is None, reason="needs the tpu extra")
def test_another_version_of_torch_xla_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from clt_ray.training.backends.xla import private

    private.require_known_version()
    monkeypatch.setattr(private, "version", lambda _: "2.10.0")
    with pytest.raises(ConfigurationError, match=r"torch_xla.*2\.10\.0.*not public in torch_xla 2\.9"):
        private.require_known_version()


def test_planning_for_a_tpu_loads_neither_torch_nor_torch_xla() -> None:
    modules = "plan", "environment", "backend"
    code = "import sys\n" + "\n".join(f"import clt_ray.training.backends.xla.{name}" for name in modules)
    code += "\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torch_xla", "transformers"} & set(loaded)
