"""Executes a run in real processes of its own, as Ray's workers do, and waits for moments of its training."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.multiprocessing.spawn import ProcessContext, spawn

from clt_ray import supervision
from clt_ray.pipeline import execute
from clt_ray.store import RunDir, Store
from clt_ray.sweep.run import RunSpec
from tests.support.trained import recorded

PATIENCE_SECONDS = 240.0


def execute_in_processes(run: RunSpec, folder: Path, processes: int = 1) -> ProcessContext:
    """Starts the processes of a run whose store is in a folder; each writes its outcome to `outcome-<rank>` there."""
    for old in (folder / "rendezvous", *folder.glob("outcome-*")):
        old.unlink(missing_ok=True)
    context: ProcessContext = spawn(_execute_as, (run, folder, processes), nprocs=processes, join=False)
    return context


def _execute_as(rank: int, run: RunSpec, folder: Path, processes: int) -> None:
    # A tiny run ends before the first poll of a real one.
    supervision.STOP_POLL_SECONDS = 0.02
    if processes > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
        os.environ.update(WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes))
        torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=processes)
    outcome = execute(run, Store(str(folder / "store")), rank=rank)
    (folder / f"outcome-{rank}").write_text(outcome)
    if processes > 1:
        torch.distributed.destroy_process_group()


def outcomes(context: ProcessContext, folder: Path) -> list[str]:
    """Waits for the processes of a run, and returns the outcome of each."""
    while not context.join(PATIENCE_SECONDS):
        pass
    return [(folder / f"outcome-{rank}").read_text() for rank in range(len(context.processes))]


def wait_until(condition: Callable[[], Any], context: ProcessContext) -> None:
    """Waits until a condition holds, while the processes of a run live."""
    pause = threading.Event()
    while not condition():
        assert all(process.is_alive() for process in context.processes), "the run ended before"
        pause.wait(0.01)


def assert_equal_runs(actual: RunDir, expected: RunDir) -> None:
    """Asserts that two finished runs have the same records, scores and weights, bit by bit."""
    result, expected_result = actual.result(), expected.result()
    assert result is not None and expected_result is not None
    assert result.selection == expected_result.selection
    for log in ("train", "validation"):
        assert recorded(actual, log) == recorded(expected, log)
    assert actual.read_text("scores.csv") == expected.read_text("scores.csv")
    trees = actual.complete_trees("checkpoints/")
    assert trees == expected.complete_trees("checkpoints/")
    for tree in trees:
        weights, expected_weights = (load_file(run.open_tree(tree) / "model.safetensors") for run in (actual, expected))
        assert weights.keys() == expected_weights.keys()
        assert all(torch.equal(weights[name], expected_weights[name]) for name in weights)
