"""Train the tests' run until a checkpoint is half written, and stay there.

Usage: halting.py FOLDER MESH STEP

Prints `half` once the files of the step's resume state are half in the store, and from then on writes nothing more
of it. Training goes on; each step it logs is a line, those after STEP once the checkpoint is half written.
"""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clt_ray.store.files import Files
from clt_ray.store.objects import open_files
from clt_ray.store.run_dir import RunDir
from clt_ray.training.checkpoints import resume_tree
from tests.support.slice_runs import make_run
from tests.support.trained import train_run


@dataclass(frozen=True)
class Halting:
    """Files whose bringing of one tree stops halfway and does not return."""

    files: Files
    tree: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.files, name)

    def put_tree(self, staging: Path, path: str) -> None:
        if path == self.tree:
            whole = sorted(staging.iterdir())
            for file in whole[len(whole) // 2 :]:
                file.rename(staging.parent / file.name)
            self.files.put_tree(staging, path)
            print("half", flush=True)
            half_written.set()
            threading.Event().wait()
        self.files.put_tree(staging, path)


half_written = threading.Event()


def say(*, step: int, **_: Any) -> None:
    if step > int(sys.argv[3]):
        half_written.wait()
    print(step, flush=True)


def main(folder: Path, mesh: str, step: int) -> None:
    logging.disable(logging.WARNING)
    run = make_run(folder, mesh, training={"learning_rate": 1e-5})
    files = open_files(str(folder / "store")).under(f"runs/{run.run_id}")
    directory = RunDir(Halting(files, resume_tree(step)))
    train_run(run, directory, folder / "staging", say)


main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
