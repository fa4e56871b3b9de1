"""Storage that is slow, overloaded, unreachable or full costs time, and neither a document nor a run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.store import LeaseHeld, Store
from clt_ray.store.objects import EXTRAS, open_files
from tests.store.test_fencing import status
from tests.support.storage_servers import ObjectStore
from tests.support.store_cases import RUN_ID, make_staging


@pytest.mark.parametrize("fault", [503, 429, 500, "reset", "lose reply"])
def test_a_request_that_fails_is_repeated(object_store: ObjectStore, tmp_path: Path, fault: int) -> None:
    run_dir = Store(object_store.new_uri()).run_dir(RUN_ID)
    with run_dir.acquire_lease():
        run_dir.write_status(status(1, 1))
        object_store.proxy.inject(fault)
        run_dir.write_status(status(1, 2))
        object_store.proxy.inject(fault)
        assert run_dir.status() == status(1, 2)
        object_store.proxy.inject(fault)
        run_dir.append_metrics("validation", 1, {"val/loss": 1.0})
        run_dir.append_metrics("validation", 2, {"val/loss": 2.0})
        object_store.proxy.inject(fault)
        run_dir.commit_tree(make_staging(tmp_path / "tree"), "checkpoints/weights-000001")
        object_store.proxy.inject(fault)
        assert run_dir.complete_trees("checkpoints/") == ["checkpoints/weights-000001"]
    assert [point.step for point in run_dir.metrics("validation")] == [1, 2]


@pytest.mark.parametrize("fault", [503, "lose reply"])
def test_a_lease_is_acquired_once_although_requests_fail(object_store: ObjectStore, fault: int) -> None:
    uri = object_store.new_uri()
    for occurrence in range(4):
        run_dir = Store(uri).run_dir(f"run-{occurrence}")
        object_store.proxy.inject(*[fault] * (1 + occurrence % 2))
        with run_dir.acquire_lease() as lease:
            run_dir.write_status(status(1, 1))
            with pytest.raises(LeaseHeld):
                Store(uri).run_dir(f"run-{occurrence}").acquire_lease()
            assert not lease.lost.is_set()


def test_an_outage_of_seconds_is_waited_out(object_store: ObjectStore) -> None:
    run_dir = Store(object_store.new_uri()).run_dir(RUN_ID)
    with run_dir.acquire_lease():
        object_store.proxy.broken = 503
        count = len(object_store.proxy.requests)

        def repair() -> None:
            while len(object_store.proxy.requests) < count + 3:
                threading.Event().wait(0.01)
            object_store.proxy.broken = None

        thread = threading.Thread(target=repair)
        thread.start()
        try:
            run_dir.write_status(status(1, 7))
        finally:
            object_store.proxy.broken = None
            thread.join()
    assert run_dir.status() == status(1, 7)


def test_lines_of_training_are_written_in_batches(object_store: ObjectStore, tmp_path: Path) -> None:
    run_dir = Store(object_store.new_uri()).run_dir(RUN_ID)
    with run_dir.acquire_lease():
        before = len(object_store.proxy.requests)
        for step in range(200):
            run_dir.append_metrics("train", step, {"train/loss": 1.0})
        assert len(object_store.proxy.requests) - before < 20
        run_dir.append_metrics("validation", 199, {"val/loss": 1.0})
        assert len(run_dir.metrics("train")) == 200 and len(run_dir.metrics("validation")) == 1
        run_dir.append_metrics("train", 200, {"train/loss": 1.0})
        run_dir.commit_tree(make_staging(tmp_path / "tree"), "checkpoints/resume-000200")
        assert len(run_dir.metrics("train")) == 201
        run_dir.append_metrics("train", 201, {"train/loss": 1.0})
    assert len(run_dir.metrics("train")) == 202


@pytest.mark.parametrize("scheme", EXTRAS)
def test_a_missing_package_is_named_with_its_extra(scheme: str) -> None:
    program = (
        "import sys\n"
        "for name in ('gcsfs', 's3fs', 'adlfs'): sys.modules[name] = None\n"
        "from clt_ray.store import Store\n"
        f"Store('{scheme}://bucket/runs')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ConfigurationError" in ended.stderr and f"pip install 'clt-ray[{EXTRAS[scheme]}]'" in ended.stderr


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="storage = 'ftpx://host/x'"):
        open_files("ftpx://host/x")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs privileges that this machine does not give")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_harms_nothing_and_the_run_goes_on_when_there_is_space(small_disk: Path, tmp_path: Path) -> None:
    run_dir = Store(str(small_disk)).run_dir(RUN_ID)
    ballast = small_disk / "ballast"
    with run_dir.acquire_lease():
        run_dir.write_status(status(1, 1))
        run_dir.append_metrics("validation", 1, {"val/loss": 1.0})
        run_dir.commit_tree(make_staging(tmp_path / "first"), "checkpoints/weights-000001")
        with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for write in (
            lambda: run_dir.write_status(status(1, 2)),
            lambda: run_dir.write_text("scores.csv", "x" * 100_000),
            lambda: run_dir.append_metrics("validation", 2, {f"val/{index}": 1.0 for index in range(1000)}),
            lambda: run_dir.commit_tree(make_staging(tmp_path / "second", bytes(50_000)), "checkpoints/weights-000002"),
        ):
            with pytest.raises(OSError, match=f"make space there.*{small_disk}") as refused:
                write()
            assert refused.value.errno == errno.ENOSPC
        assert run_dir.status() == status(1, 1)
        assert [point.step for point in run_dir.metrics("validation")] == [1]
        assert run_dir.complete_trees("checkpoints/") == ["checkpoints/weights-000001"]
        os.truncate(ballast, 0)
        run_dir.write_status(status(1, 3))
        run_dir.append_metrics("validation", 3, {"val/loss": 1.0})
        run_dir.commit_tree(make_staging(tmp_path / "third"), "checkpoints/weights-000003")
    assert run_dir.status() == status(1, 3)
    assert [point.step for point in run_dir.metrics("validation")] == [1, 3]
    assert len(run_dir.complete_trees("checkpoints/")) == 2
