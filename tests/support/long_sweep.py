"""Sweeps of a long run, of short ones, and of one with two workers, for faults that need time to happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clt_ray.store import Store
from clt_ray.sweep import RunSpec, expand, load_sweep
from tests.support.commands import Killable, descendants, lease
from tests.support.processes import assert_equal_runs
from tests.support.sweeps import sweep, write

LONG, SHORT = 22, (0, 1, 2)
"""Samples per language. The long run takes 300 steps with 15 checkpoints, the short ones 80 to 100 with 4 or 5."""
PAIR = {"accelerator": "CPU", "workers": 2}
"""Hardware of a run of two processes."""


def write_part(file: Path, samples: Sequence[int], **changes: Any) -> tuple[str, list[RunSpec]]:
    """Writes a sweep file with the runs of some numbers of samples; returns its path, and the runs in their order."""
    settings: dict[str, Any] = {
        "english_samples": 16,
        "training": {"batch_size": 4, "max_length": 64, "epochs": 20, "eval_every": 20},
        "validation": {"samples_per_language": 2},
        "evaluation": {"samples_per_language": 2, "max_new_tokens": 8},
    }
    path = write(file, sweep(**{**settings, "grid": {"samples_per_language": list(samples)}, **changes}))
    return path, list(expand(load_sweep(path)))


def assert_equal_stores(storage: Path, unbroken: Path, runs: Sequence[RunSpec]) -> None:
    """Asserts that the records, scores and weights of some runs are equal in two storages, bit by bit."""
    for run in runs:
        assert_equal_runs(Store(str(storage)).run_dir(run.run_id), Store(str(unbroken)).run_dir(run.run_id))


def workers(command: Killable) -> set[int]:
    """Returns the process ids of Ray Train's workers below a command."""
    return {process for process, line in descendants(command.process.pid).items() if "ray::RayTrainWorker" in line}


def peer(command: Killable, storage: Path, run_id: str) -> int:
    """Returns the process id of the second of the two workers of a run; the first one holds the lease."""
    (second,) = workers(command) - {lease(storage, run_id).owner.pid}
    return second
