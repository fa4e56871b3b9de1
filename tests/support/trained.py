"""Runs that tests train in their own process, whole or interrupted, and what they recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clt_ray.data.formatting import encode
from clt_ray.data.mixture import build_run_data
from clt_ray.evaluation.validate import answer_scorer
from clt_ray.store import RunDir
from clt_ray.store.run_dir import Log
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection
from clt_ray.training.backends import select_backend
from clt_ray.training.job import TrainingJob
from clt_ray.training.journal import Journal
from clt_ray.training.model import load_tokenizer
from clt_ray.training.train import train
from tests.support.sweeps import sweep, write


def last_run(folder: Path, **changes: Any) -> RunSpec:
    return expand(load_sweep(write(folder / "sweep.yaml", sweep(**changes))))[-1]


def train_run(
    run: RunSpec,
    directory: Journal,
    staging: Path,
    progress: Callable[..., Any],
    clock: Callable[[], float] = time.monotonic,
) -> Selection:
    backend = select_backend(run)
    backend.start(run)
    data, tokenizer = build_run_data(run), load_tokenizer(run.model)
    length = run.training.max_length
    job = TrainingJob(
        run,
        [encode(row, tokenizer, length) for row in data.train],
        {cell: [encode(row, tokenizer, length) for row in rows] for cell, rows in data.validation.items()},
        tokenizer,
        answer_scorer(run, data.validation, tokenizer, backend),
    )
    return train(job, backend, directory, progress, staging, clock)


def quiet(**_: Any) -> None:
    pass


class Interrupted(Exception):
    pass


def interrupt_at(step: int) -> Callable[..., Any]:
    def progress(**now: Any) -> None:
        if now["step"] >= step:
            raise Interrupted

    return progress


def recorded(directory: RunDir, log: Log) -> list[tuple[int, dict[str, float]]]:
    return [
        (p.step, {name: value for name, value in p.metrics.items() if not name.startswith("perf/")})
        for p in directory.metrics(log)
    ]
