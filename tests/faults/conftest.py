"""What sweeps leave where nothing disturbs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import clt_ray
from tests.support.long_sweep import LONG, PAIR, SHORT, write_part


def undisturbed(folder: Path, samples: Sequence[int], **changes: Any) -> Path:
    """Executes the runs of some numbers of samples, and returns their storage."""
    path, _ = write_part(folder / "sweep.yaml", samples, **changes)
    result = clt_ray("run", path, storage=folder / "store", timeout_seconds=600)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "store"


@pytest.fixture(scope="session")
def unbroken_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(tmp_path_factory.mktemp("unbroken-sweep"), [*SHORT, LONG])


@pytest.fixture(scope="session")
def unbroken_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(tmp_path_factory.mktemp("unbroken-pair"), [1], hardware=PAIR)
