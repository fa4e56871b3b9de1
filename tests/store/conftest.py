"""Fixtures of the store's tests, each of which runs on a disk and on an object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from clt_ray.store import RunDir, Store
from tests.support.store_cases import RUN_ID, ManualClock, make_staging


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["local", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "runs")
        return
    root = f"/{uuid.uuid4().hex}"
    yield f"memory:/{root}"
    system = fsspec.filesystem("memory")
    if system.exists(root):
        system.rm(root, recursive=True)


@pytest.fixture
def store(uri: str, clock: ManualClock) -> Store:
    return Store(uri, clock, clock)


@pytest.fixture
def run_dir(store: Store) -> RunDir:
    return store.run_dir(RUN_ID)


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """A checkpoint as training stages it."""
    return make_staging(tmp_path / "staging")
