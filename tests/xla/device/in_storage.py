"""Train the tests' run with its run directory in any storage, and print each step that it logs.

Usage: in_storage.py FOLDER MESH URI
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from clt_ray.store import Store
from tests.support.slice_runs import make_run
from tests.support.trained import train_run

TRAINING = {"learning_rate": 1e-5, "batch_size": 8, "max_steps": 6, "eval_every": 2}


def say(*, step: int, **_: Any) -> None:
    print(step, flush=True)


def main(folder: Path, mesh: str, uri: str) -> None:
    logging.disable(logging.WARNING)
    run = make_run(folder, mesh, training=TRAINING)
    train_run(run, Store(uri).run_dir(run.run_id), folder / "staging", say)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
