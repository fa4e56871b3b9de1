"""Fixtures that write sweep files and load them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clt_ray.sweep import SweepSpec, load_sweep
from tests.support.sweeps import small_sweep


@pytest.fixture
def write_sweep(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the small sweep, with some sections replaced, to a file and returns its path."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(small_sweep(**changes), allow_unicode=True), encoding="utf-8")
        return path

    return write


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., SweepSpec]:
    """A function that writes text to a file and loads it as a sweep, with overrides."""

    def load(text: str, *overrides: str) -> SweepSpec:
        path = tmp_path / "text.yaml"
        path.write_text(text, encoding="utf-8")
        return load_sweep(path, overrides)

    return load
