"""The model families of docs/extend.md, installed as packages, from a sweep to its report on a CPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.commands import clt_ray
from tests.support.recipes import install_recipes
from tests.support.sweeps import sweep, write
from tests.support.tiny_models import save_tiny


@pytest.mark.serial
def test_a_sweep_of_both_families_runs_to_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = install_recipes(tmp_path / "recipes", "clt-ray-qwen3", "clt-ray-gemma3")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])))
    models = {
        "tiny-qwen3": {"source": str(save_tiny("qwen3", tmp_path / "qwen3")), "architecture": "qwen3"},
        "tiny-gemma3": {"source": str(save_tiny("gemma3_text", tmp_path / "gemma3")), "architecture": "gemma3"},
    }
    grid = {"model": list(models), "samples_per_language": [8]}
    path = write(tmp_path / "sweep.yaml", sweep(models=models, grid=grid, training={"max_steps": 2}))
    finished = clt_ray("run", path, "--address", "local", storage=tmp_path / "store")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    finished = clt_ray("report", path, storage=tmp_path / "store")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    page = (tmp_path / "store" / "reports" / "test" / "index.html").read_text()
    assert all(name in page for name in models)
