"""Executes a run on a disk that is full in the middle of its first checkpoint, and again once there is room.

    unshare --map-root-user --mount python -m tests.support.full_disk RUN.json FOLDER

The disk is a file system in memory at `FOLDER/disk`, which only this process sees. The store is copied to
`FOLDER/store` at the end.
"""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

from clt_ray.pipeline import execute
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec

DISK_BYTES = 64 * 1024 * 1024
FREE_BYTES = 8 * 1024 * 1024
"""Room for the weights of a checkpoint, but not for its resume state."""


def main(run_file: Path, folder: Path) -> None:
    run = RunSpec.from_dict(json.loads(run_file.read_text()))
    disk, ballast = folder / "disk", folder / "disk" / "ballast"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(disk)], check=True)
    ballast.write_bytes(bytes(DISK_BYTES - FREE_BYTES))
    store = Store(str(disk / "store"))
    try:
        execute(run, store)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("the disk was not full")
    assert not store.run_dir(run.run_id).is_finished()
    assert not store.run_dir(run.run_id).complete_trees("checkpoints/resume")
    ballast.unlink()
    assert execute(run, store) == "finished"
    shutil.copytree(disk / "store", folder / "store")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
