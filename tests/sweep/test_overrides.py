"""Settings from the command line replace and add values of a sweep file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.sweep import SweepSpec, load_sweep

Load = Callable[..., SweepSpec]

TEXT = """
name: small
grid: {model: [llama-3.1-8b], task: [math], samples_per_language: [0, 100]}
hardware:
  llama-3.1-8b: {accelerator: TPU-V5LITEPOD, topology: 4x4}
"""


def test_overrides_replace_add_and_parse_values_as_yaml(load_text: Load) -> None:
    spec = load_text(
        TEXT,
        "training.batch_size=32",
        "training.learning_rate=2e-5",
        "seeds=[3, 4]",
        "grid.samples_per_language.1=200",
        "training.max_steps=7",
        "training.max_steps=null",
        'models."mini-1.0".source=org/mini',
    )
    assert spec.training.batch_size == 32
    assert spec.training.learning_rate == 2e-5
    assert spec.training.max_steps is None
    assert spec.seeds == (3, 4)
    assert spec.grid.samples_per_language == (0, 200)
    assert spec.models["mini-1.0"].source == "org/mini"


def test_keys_that_contain_dots_are_found(load_text: Load) -> None:
    spec = load_text(TEXT, "hardware.llama-3.1-8b.topology=8x8")
    assert spec.hardware_of("llama-3.1-8b")[0].topology == "8x8"
    assert load_text(TEXT, "models.llama-3.1-8b.source=org/copy").model_spec("llama-3.1-8b").source == "org/copy"


def test_problems_name_the_override_they_come_from(load_text: Load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(TEXT, "training.batch_size=0", "name=fine", "hardware.llama-3.1-8b.mesh=3x3")
    assert [(problem.where, problem.key) for problem in caught.value.problems] == [
        ("--set hardware.llama-3.1-8b.mesh=3x3", "hardware.llama-3.1-8b.mesh"),
        ("--set training.batch_size=0", "training.batch_size"),
    ]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("batch_size", "is not key=value"),
        ("=3", "is not key=value"),
        ("seeds=[1", "is not valid YAML"),
        ("name.first=x", "name is a single value"),
        ("grid.task.5=math", "there is no item 5"),
        ("a..b=1", "is not a dotted key"),
    ],
)
def test_malformed_overrides_are_refused(load_text: Load, override: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load_text(TEXT, override)
    assert caught.value.problems[0].where == f"--set {override}"


def test_relative_paths_start_at_the_file_or_for_overrides_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "sweeps" / "rows", tmp_path / "rows"):
        for split in ("train", "test"):
            (folder / "math" / split).mkdir(parents=True)
            (folder / "math" / split / "en.jsonl").write_text("")
    file = tmp_path / "sweeps" / "s.yaml"
    file.write_text(
        "name: s\ngrid: {model: llama-3.1-8b, task: math, samples_per_language: 0}\n"
        "eval_languages: [en]\ndata: {math: {root: rows}}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_sweep("sweeps/s.yaml").data_source("math").root == str(tmp_path / "sweeps" / "rows")
    overridden = load_sweep("sweeps/s.yaml", ["data.math.root=rows"])
    assert overridden.data_source("math").root == str(tmp_path / "rows")
