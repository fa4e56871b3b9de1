"""Validation loss of every task and language over training, a mixed run beside its single-task twin.

The twin of a mixed run, for one of its tasks, is the single-task run of the same model, training languages, samples per
language and seed; among several, one with the same training settings and English samples. Both are compared at equal
task rows: the twin's loss is interpolated linearly between its validations, and not beyond them.

At equal task rows, a mixed run of k tasks has taken k times as many optimizer steps, with batches that hold 1/k of its
rows of the task each. So its loss can be lower without any transfer between tasks: a difference is that of the two ways
to spend the rows, as is the comparison of their scores.

Example: a mixed run of 3 tasks, batch 60, has seen 1,000 rows of math after 50 steps; its twin after 17. If its twin
was validated after 16 and 18 steps (960 and 1,080 rows), with losses 0.50 and 0.44, the mixed run's loss after 50 steps
is compared with 0.48.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.display_order import language_order
from clt_ray.analysis.jackknife import t_interval
from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns

TOLERANCE: Final = 0.01
"""Share of its lowest value by which a loss may lie above it and still count as level."""
FALLING, LEVEL, RISING = "falling", "level", "rising"

TRAJECTORY: Final = (
    *RUN_COLUMNS, "task", "eval_language", "exposure", "step", "task_rows", "loss", "alone_run_id", "alone_loss",
    "difference",
)  # fmt: skip


def trajectories(logs: Iterable[RunLog]) -> pd.DataFrame:
    """Every loss that was measured: columns `TRAJECTORY`, in order of runs, tasks, languages and steps.

    `alone_run_id` is the twin of a mixed run, empty without one; `alone_loss` its loss at equal task rows, NaN beyond
    its validations; `difference` is `loss - alone_loss`, in nats per token: above 0, the mixture is behind.
    """
    logs = list(logs)
    # Indexed once: a sweep may have thousands of runs.
    families: dict[tuple[object, ...], list[RunLog]] = {}
    for log in logs:
        families.setdefault(_family(log), []).append(log)
    rows: list[dict[str, Any]] = []
    for log in logs:
        for task in log.tasks:
            alone = twin(log, task, families[_family(log)])
            for language in _languages(log, task):
                rows += _trajectory(log, alone, task, language)
    return pd.DataFrame(rows, columns=list(TRAJECTORY))


def twin(log: RunLog, task: str, logs: Sequence[RunLog]) -> RunLog | None:
    """The single-task run that a mixed run is compared with in a task; None when there is none."""
    if log.setting == "single":
        return None
    alike = [other for other in logs if other.tasks == (task,) and _family(other) == _family(log)]
    return min(alike, key=lambda other: (other.settings != log.settings, other.run_id), default=None)


def _family(log: RunLog) -> tuple[object, ...]:
    """What a mixed run shares with its twins."""
    return log.model, log.training_languages, log.samples_per_language, log.seed


def turning_points(table: pd.DataFrame) -> pd.DataFrame:
    """Where the loss of every run, task and language was lowest, and what it did from there.

    `course` is `falling` (the lowest is the last), `level` (the last is within `TOLERANCE` of the lowest) or `rising`;
    `rise` is last minus lowest. The columns `alone_...` say the same of the twin.

    Args:
        table: From `trajectories`.
    """
    key = [*RUN_COLUMNS, "task", "eval_language", "exposure", "alone_run_id"]
    rows = [group_columns(key, values) | _turn(own) for values, own in table.groupby(key, sort=False)]
    turns = pd.DataFrame(rows, columns=[*key, *_TURN])
    where = ["run_id", "task", "eval_language"]
    alone = turns[[*where, *_TURN]].rename(columns=lambda name: name if name in where[1:] else f"alone_{name}")
    return turns.merge(alone, on=["alone_run_id", *where[1:]], how="left")


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Per mixed run, task and exposure: how far behind its twin it ended, at the last task rows that both reached.

    `difference` is the mean over languages, with a 95% Student interval over them; `n` counts languages.

    Args:
        table: From `trajectories`.
    """
    known = table[table["difference"].notna()]
    ends = known[known["task_rows"] == known.groupby(["run_id", "task", "eval_language"])["task_rows"].transform("max")]
    rows = []
    key = [*RUN_COLUMNS, "alone_run_id", "task", "exposure"]
    for values, own in ends.groupby(key, sort=False):
        low, high = t_interval(own["difference"])
        reached = {"task_rows": own["task_rows"].min(), "difference": own["difference"].mean()}
        rows.append(group_columns(key, values) | reached | {"low": low, "high": high, "n": len(own)})
    return pd.DataFrame(rows, columns=[*key, "task_rows", "difference", "low", "high", "n"])


_TURN: Final = ("lowest_loss", "lowest_task_rows", "last_loss", "last_task_rows", "rise", "course")


def _turn(own: pd.DataFrame) -> dict[str, Any]:
    lowest, last = own.iloc[int(own["loss"].argmin())], own.iloc[-1]
    rise = last["loss"] - lowest["loss"]
    course = FALLING if lowest["step"] == last["step"] else LEVEL if rise <= TOLERANCE * lowest["loss"] else RISING
    values = (lowest["loss"], lowest["task_rows"], last["loss"], last["task_rows"], rise, course)
    return dict(zip(_TURN, values, strict=True))


def _languages(log: RunLog, task: str) -> list[str]:
    """Languages in which the run's loss in a task was measured."""
    names = {name for _, metrics in log.validation for name in metrics}
    found = {name.split("/")[2] for name in names if name.startswith(f"val/{task}/") and name.endswith("/loss")
             and name.count("/") == 3}  # fmt: skip
    return sorted(found, key=language_order)


def _trajectory(log: RunLog, alone: RunLog | None, task: str, language: str) -> Iterator[dict[str, Any]]:
    about = {"task": task, "eval_language": language, "exposure": log.exposure(language)}
    about |= {"alone_run_id": alone.run_id if alone else ""}
    rows, losses = _curve(alone, task, language) if alone else ([], [])
    for step, metrics in log.validation:
        loss = metrics.get(f"val/{task}/{language}/loss", np.nan)
        if not np.isfinite(loss):
            continue
        seen = log.task_rows(step)
        beside = float(np.interp(seen, rows, losses, np.nan, np.nan)) if rows else np.nan
        yield log.columns() | about | {"step": step, "task_rows": seen, "loss": loss, "alone_loss": beside,
                                       "difference": loss - beside}  # fmt: skip


def _curve(log: RunLog, task: str, language: str) -> tuple[list[float], list[float]]:
    """Task rows and loss of every finite validation."""
    name = f"val/{task}/{language}/loss"
    points = [(log.task_rows(step), metrics[name]) for step, metrics in log.validation if name in metrics]
    finite = [point for point in points if np.isfinite(point[1])]
    return [rows for rows, _ in finite], [loss for _, loss in finite]
