"""Fixtures of the store's tests, each of which runs on a disk and on an object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from clt_ray.store import RunDir, Store
from tests.support import storage_servers
from tests.support.storage_servers import ObjectStore
from tests.support.store_cases import RUN_ID, ManualClock, make_staging

SERVERS = ["s3", "gcs"] + (["azure"] if storage_servers.why_no_azure() is None else [])
"""Object stores on which these tests run; `test_azure.py` says why Azure is not among them."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def s3_store() -> Iterator[ObjectStore]:
    with storage_servers.s3() as store, storage_servers.reachable_by(store):
        yield store


@pytest.fixture(scope="session")
def gcs_store() -> Iterator[ObjectStore]:
    with storage_servers.gcs() as store, storage_servers.reachable_by(store):
        yield store


@pytest.fixture(scope="session")
def azure_store() -> Iterator[ObjectStore]:
    with storage_servers.azure() as store, storage_servers.reachable_by(store):
        yield store


@pytest.fixture(params=SERVERS)
def object_store(request: pytest.FixtureRequest) -> ObjectStore:
    """A real server of an object store."""
    store: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture(params=["local", "memory", *SERVERS])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param in SERVERS:
        yield request.getfixturevalue(f"{request.param}_store").new_uri()
        return
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
