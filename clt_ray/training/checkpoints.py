"""The checkpoints that a run keeps, the best of them, and the one from which it resumes.

A checkpoint consists of two trees, each with its own completion marker: `checkpoints/weights-<step>` (safetensors,
read by evaluation and export) and `checkpoints/resume-<step>` (optimizer, scheduler, random state). They are separate
because they are kept for different times: the best weights stay, and resume states are deleted.

Example of a run that validates every 50 steps and had its best loss at step 50, after the checkpoint of step 200:

    weights-000050  weights-000150  weights-000200          the best, and the last two resume points
                    resume-000150   resume-000200
"""

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clt_ray.errors import RunError
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import OVERALL, Candidate, Selection
from clt_ray.training.journal import Journal

log = logging.getLogger(__name__)

ROOT = "checkpoints/"
TREE = re.compile(rf"{ROOT}(weights|resume)-\d+")
"""Matches the name of a tree, and its kind, at the beginning of the path of a file inside a run directory."""
RESUME_POINTS_KEPT = 2
"""Resume states that are kept, so that a damaged one does not cost the whole training."""


def weights_tree(step: int) -> str:
    """Returns the name of the tree with the weights of a step."""
    return f"{ROOT}weights-{step:06d}"


def resume_tree(step: int) -> str:
    """Returns the name of the tree with the resume state of a step."""
    return f"{ROOT}resume-{step:06d}"


def steps_of(journal: Journal, prefix: str) -> set[int]:
    """Returns the steps that have a complete tree of a kind, `weights` or `resume`."""
    return {int(name.rpartition("-")[2]) for name in journal.complete_trees(ROOT) if f"/{prefix}-" in name}


@dataclass(frozen=True)
class ResumePoint:
    """A verified checkpoint from which training can go on."""

    step: int
    """Optimizer steps taken before the checkpoint."""
    weights: Path | None
    """Local directory with the model's safetensors; None where the state alone restores the model."""
    state: Path
    """Local directory with optimizer, scheduler and random state, or those of its files that were asked for."""


def commit_parts(journal: Journal, staging: Path, name: str, rank: int, group: Any = None) -> None:
    """Commits a tree of which every process of the run has a part in a folder of its own.

    All processes call this. The tree counts once process 0 has the records of all parts.

    File names of `staging` differ between processes, and it no longer exists afterwards.
    """
    import torch.distributed as dist

    distributed = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    places = [journal.begin_tree(name) if rank == 0 else ""]
    if distributed:
        # Where process 0 may write depends on its lease, which a process of an earlier attempt must not find out.
        dist.broadcast_object_list(places, 0, group)
    records = dict(journal.put_part(staging, places[0])) if any(staging.iterdir()) else {}
    parts: list[Any] = [records]
    if distributed:
        parts = [None] * dist.get_world_size()
        dist.all_gather_object(parts, records, group)
    if rank == 0:
        journal.seal_tree(places[0], {file: record for part in parts for file, record in part.items()})


def latest_resume_point(
    journal: Journal, best_until: Callable[[int], int], before: float = math.inf, files: Sequence[str] | None = None
) -> ResumePoint | None:
    """Returns the newest complete checkpoint up to which the best weights still exist; None to start from step 0.

    `best_until` returns the step of the best checkpoint among those up to a step. If the weights of that checkpoint are
    lost, training has to go back to before it, as it has to before the step `before`, whose records are lost. With
    `files`, these of the resume state are all that is read of a checkpoint here.
    """
    weights, states = steps_of(journal, "weights"), steps_of(journal, "resume")
    points = states & weights if files is None else states
    for step in sorted((step for step in points if step < before), reverse=True):
        if best_until(step) not in weights:
            log.warning("the best weights up to step %d are lost; training goes back to an earlier checkpoint", step)
            continue
        try:
            if files is not None:
                return ResumePoint(step, None, journal.open_tree(resume_tree(step), dict.fromkeys(files)))
            return ResumePoint(step, journal.open_tree(weights_tree(step)), journal.open_tree(resume_tree(step)))
        except OSError as error:
            log.warning("the checkpoint of step %d is damaged, an earlier one is used: %s", step, error)
    return None


def prune(journal: Journal, run: RunSpec, *, states_alone: bool = False) -> None:
    """Deletes all checkpoints but the last ones from which the run can resume, and the best weights up to each.

    With `states_alone` a run resumes from a state without the weights of its step.
    """
    weights, states = steps_of(journal, "weights"), steps_of(journal, "resume")
    kept = set(sorted(states if states_alone else states & weights)[-RESUME_POINTS_KEPT:])
    for step in states - kept:
        journal.delete_tree(resume_tree(step))
    for step in weights - {best_until(journal, point, run) for point in kept} - (set() if states_alone else kept):
        journal.delete_tree(weights_tree(step))


def keep_only(journal: Journal, step: int) -> None:
    """Deletes all checkpoints but the weights of a step, the chosen one of a run whose training is done."""
    for name in journal.complete_trees(ROOT):
        if name != weights_tree(step):
            journal.delete_tree(name)


def select(points: Iterable[tuple[int, Mapping[str, float]]], metric: str, mode: str) -> Selection:
    """Chooses the step with the best recorded value of `metric`; the earliest one on a tie.

    Args:
        points: (step, metrics) of every validation. A step recorded twice counts once, as last recorded. A step whose
            loss is not finite is not considered, however well it scored.
        mode: `min` or `max`.

    Raises:
        RunError: No validation recorded a finite value of the metric.
    """
    recorded = dict(points)
    finite = [
        Candidate(step, metrics[metric])
        for step, metrics in recorded.items()
        if math.isfinite(metrics.get(metric, math.nan)) and math.isfinite(metrics.get(OVERALL, 0.0))
    ]
    if not finite:
        raise RunError(f"no finite {metric!r} among {len(recorded)} validations: no checkpoint can be chosen")
    sign = 1.0 if mode == "min" else -1.0
    ranked = sorted(finite, key=lambda candidate: (sign * candidate.value, candidate.step))
    return Selection(metric, mode, ranked[0], tuple(ranked[1:]))


def best_so_far(points: Iterable[tuple[int, Mapping[str, float]]], metric: str, mode: str, latest: int) -> int:
    """Returns the step whose checkpoint has to be kept while training goes on.

    That is `latest` while no validation has recorded the metric: scores of generated answers are not recorded at
    every validation.

    Raises:
        RunError: The metric was recorded, and was never finite.
    """
    recorded = [(step, metrics) for step, metrics in points if metric in metrics]
    return select(recorded, metric, mode).chosen.step if recorded else latest


def best_until(journal: Journal, step: int, run: RunSpec) -> int:
    """Returns the step of the best checkpoint among those up to a step, as `best_so_far`."""
    points = [(point.step, point.metrics) for point in journal.metrics("validation") if point.step <= step]
    return best_so_far(points, run.selection.metric, run.selection.mode, step)
