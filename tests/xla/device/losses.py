"""Train the tests' run on one mesh (or `cpu`); print what it recorded and how many graphs it compiled as JSON.

Usage: losses.py FOLDER MESH [MODEL_DIRECTORY]
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from clt_ray.store import Store
from tests.support.slice_runs import make_run
from tests.support.trained import quiet, recorded, train_run

STEPS = 50
TRAINING = {"learning_rate": 1e-5, "batch_size": 8, "max_steps": STEPS, "epochs": 7, "eval_every": 25}


def main(folder: Path, mesh: str, model: str | None = None) -> None:
    logging.disable(logging.WARNING)
    run = make_run(folder, None if mesh == "cpu" else mesh, model, training=TRAINING)
    directory = Store(str(folder / "store")).run_dir(run.run_id)
    train_run(run, directory, folder / "staging", quiet)
    logs = {log: recorded(directory, log) for log in ("train", "validation")}
    print(json.dumps(logs | {"graphs": None if mesh == "cpu" else graphs()}))


def graphs() -> int:
    from clt_ray.training.backends.xla.graphs import compiled

    return compiled()


main(Path(sys.argv[1]), *sys.argv[2:])
