"""In fp32 every mesh gives the losses of the torch backend, for 50 steps of each family, with one graph per width."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.recipes import install_recipes
from tests.support.slice_runs import chips, elsewhere
from tests.support.tiny_models import save_tiny

PROGRAM = Path(__file__).parent / "losses.py"
TOLERANCE = 1e-4
"""Relative; rounding alone gives about 1e-6."""
CASES = [
    *(("bundled", mesh) for mesh in ("4x1", "2x2", "8x1")),
    *((name, "2x2") for name in ("cohere", "qwen3", "gemma3_text")),
]
"""Model and mesh; the last two are families of docs/extend.md, on a mesh that splits along both axes."""


class Train(Protocol):
    """Trains a model on a mesh, or on the CPU with the torch backend, and returns its records."""

    def __call__(self, name: str, mesh: str) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains the bundled Llama, or a tiny model of another family."""
    folder = tmp_path_factory.mktemp("losses")
    packages = install_recipes(folder / "recipes", "clt-ray-qwen3", "clt-ray-gemma3")

    @cache
    def checkpoint(name: str) -> list[str]:
        return [] if name == "bundled" else [str(save_tiny(name, folder / name))]

    @cache
    def train(name: str, mesh: str) -> dict[str, Any]:
        devices = 1 if mesh == "cpu" else chips(mesh)
        records: dict[str, Any] = elsewhere(
            PROGRAM, devices, str(folder / f"{name}-{mesh}"), mesh, *checkpoint(name), packages=packages
        )
        return records

    return train


@pytest.mark.parametrize(("name", "mesh"), CASES)
def test_losses_equal_the_torch_backends_with_one_graph_per_width(train: Train, name: str, mesh: str) -> None:
    expected, actual = train(name, "cpu"), train(name, mesh)
    # All rows are shorter than 128 tokens: one width for training, one for validation. The third makes the zeros of
    # the optimizer's state.
    assert actual["graphs"] == 3
    for log, count in (("train", 10), ("validation", 2)):
        assert len(expected[log]) == count
        for (_, point), (_, expected_point) in zip(actual[log], expected[log], strict=True):
            losses = {key: value for key, value in expected_point.items() if key.endswith("loss")}
            assert {key: point[key] for key in losses} == pytest.approx(losses, rel=TOLERANCE)
