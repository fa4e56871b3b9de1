"""Which checkpoints a run keeps, and where a run may resume.

A checkpoint is two trees, each with its own completion marker: `checkpoints/weights-<step>` (safetensors, what
evaluation and export read) and `checkpoints/resume-<step>` (optimizer, scheduler, random state). They are
separate because they live for different times: the best weights stay, resume states go.

Example, validating every 50 steps, with the best loss at 50, after step 200 is complete:

    weights-000050  weights-000150  weights-000200          the best, and the last two resume points
                    resume-000150   resume-000200
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clt_ray.training.journal import Journal

log = logging.getLogger(__name__)

ROOT = "checkpoints/"
RESUME_POINTS_KEPT = 2


def weights_tree(step: int) -> str:
    return f"{ROOT}weights-{step:06d}"


def resume_tree(step: int) -> str:
    return f"{ROOT}resume-{step:06d}"


def steps_of(journal: Journal, prefix: str) -> set[int]:
    """Steps that have a complete tree of a kind, `weights` or `resume`."""
    return {int(name.rpartition("-")[2]) for name in journal.complete_trees(ROOT) if f"/{prefix}-" in name}


@dataclass(frozen=True)
class ResumePoint:
    """A verified checkpoint from which training can go on."""

    step: int
    weights: Path
    """Local directory with the model's safetensors."""
    state: Path
    """Local directory with optimizer, scheduler and random state."""


def commit_parts(journal: Journal, staging: Path, name: str, rank: int, group: Any = None) -> None:
    """Commit a tree to which every process of the run brings what it has in its own folder.

    All processes call this. The tree counts once process 0 knows the files of all of them.

    Args:
        journal: The run's record.
        staging: This process's folder, with files that no other process has by the same name; gone afterwards.
        name: Of the tree.
        rank: Index of this process.
        group: Process group of all processes of the run, in which they meet; the default one when None.
    """
    import torch.distributed as dist

    together = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    if rank == 0:
        journal.delete_tree(name)
    if together:
        dist.barrier(group)
    records = dict(journal.put_part(staging, name)) if any(staging.iterdir()) else {}
    parts: list[Any] = [records]
    if together:
        parts = [None] * dist.get_world_size()
        dist.all_gather_object(parts, records, group)
    if rank == 0:
        journal.seal_tree(name, {file: record for part in parts for file, record in part.items()})


def latest_resume_point(journal: Journal, best_until: Callable[[int], int]) -> ResumePoint | None:
    """The newest checkpoint that is whole, and from which the best weights so far can still be had.

    Args:
        journal: The run's record.
        best_until: Step of the best checkpoint among those up to a step. Where its weights are lost or torn,
            training has to go back to before it.
    """
    weights = steps_of(journal, "weights")
    for step in sorted(steps_of(journal, "resume") & weights, reverse=True):
        if best_until(step) not in weights:
            log.warning("the best weights until step %d are lost, going back to before them", step)
            continue
        try:
            return ResumePoint(step, journal.open_tree(weights_tree(step)), journal.open_tree(resume_tree(step)))
        except OSError as error:
            log.warning("checkpoint of step %d is not usable, trying an older one: %s", step, error)
    return None


def prune(journal: Journal, best_step: int) -> None:
    """Delete what is neither the best weights nor one of the last two resume points."""
    points = sorted(steps_of(journal, "resume") & steps_of(journal, "weights"))
    kept = set(points[-RESUME_POINTS_KEPT:])
    for step in steps_of(journal, "resume") - kept:
        journal.delete_tree(resume_tree(step))
    for step in steps_of(journal, "weights") - kept - {best_step}:
        journal.delete_tree(weights_tree(step))


def keep_only_best(journal: Journal, best_step: int) -> None:
    """After training: the chosen weights stay, everything else goes."""
    for step in steps_of(journal, "resume"):
        journal.delete_tree(resume_tree(step))
    for step in steps_of(journal, "weights") - {best_step}:
        journal.delete_tree(weights_tree(step))
