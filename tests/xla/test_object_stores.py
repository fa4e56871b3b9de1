"""A run on a slice keeps its checkpoints in gs:// or s3://, is killed, and continues, in the `tpu` environment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import pytest

from clt_ray.store import RunDir, Store
from tests.support import storage_servers
from tests.support.slice_runs import make_run, start
from tests.support.storage_servers import ObjectStore
from tests.support.trained import recorded
from tests.xla.device.in_storage import TRAINING

pytestmark = pytest.mark.skipif(find_spec("torch_xla") is None, reason="needs the `tpu` environment")

PROGRAM = Path(__file__).parent / "device" / "in_storage.py"
MESH = "4x1"


def trained(folder: Path, uri: str) -> RunDir:
    """Trains to the end in a process of its own, and returns the run directory."""
    process = start(PROGRAM, 4, str(folder), MESH, uri)
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return Store(uri).run_dir(make_run(folder, MESH, training=TRAINING).run_id)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The directory of the same run on a disk without interruption."""
    folder = tmp_path_factory.mktemp("unbroken")
    return trained(folder, str(folder / "store"))


@pytest.mark.parametrize("server", [storage_servers.gcs, storage_servers.s3], ids=["gs", "s3"])
def test_a_killed_run_continues_from_the_object_store(
    server: Callable[[], AbstractContextManager[ObjectStore]], unbroken: RunDir, tmp_path: Path
) -> None:
    with server() as store, storage_servers.reachable_by(store):
        uri = store.new_uri()
        directory = Store(uri).run_dir(make_run(tmp_path, MESH, training=TRAINING).run_id)
        process = start(PROGRAM, 4, str(tmp_path), MESH, uri)
        while not directory.complete_trees("checkpoints/resume"):
            assert process.poll() is None, process.communicate()[1][-3000:]
        process.kill()
        process.communicate()
        assert len(recorded(directory, "validation")) < len(recorded(unbroken, "validation"))
        trained(tmp_path, uri)
        for log in ("train", "validation"):
            losses = [
                [
                    (step, {name: value for name, value in point.items() if name.endswith("loss")})
                    for step, point in points
                ]
                for points in (recorded(directory, log), recorded(unbroken, log))
            ]
            assert losses[0] == losses[1]
        assert directory.complete_trees("checkpoints/") == unbroken.complete_trees("checkpoints/")
