"""Validation loss of every task and language during training, mixed runs beside their single-task twins.

The *twin* of a mixed run, for one of its tasks, is the single-task run of the same model, training languages, samples
per language and seed; among several, one with the same training settings and English samples is preferred. The losses
of both are compared after equal numbers of training rows of the task (*task rows*). The twin's loss is interpolated
linearly between its validations, and is not extrapolated.

After equal task rows, a mixed run of k tasks has taken k times as many optimizer steps, with 1/k of the task's rows in
a batch. Its loss can be lower without any transfer: like scores, losses compare two ways to train on the same rows.

Example: a mixed run of 3 tasks with batch size 60 has seen 1,000 rows of math after 50 steps, and its twin after 17. If
the twin's losses after 16 and 18 steps (960 and 1,080 rows) are 0.50 and 0.44, the mixed run's is compared with 0.48.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns
from clt_ray.analysis.uncertainty import t_interval

TOLERANCE: Final = 0.01
"""Relative distance from the lowest loss within which the last loss counts as level."""
FALLING, LEVEL, RISING = "falling", "level", "rising"

TRAJECTORY_COLUMNS: Final = (
    *RUN_COLUMNS, "task", "eval_language", "exposure", "step", "task_rows", "loss", "alone_run_id", "alone_loss",
    "difference",
)  # fmt: skip
"""Columns of the table of trajectories."""
_TURN_COLUMNS: Final = ("lowest_loss", "lowest_task_rows", "last_loss", "last_task_rows", "rise", "course")


def trajectories(logs: Iterable[RunLog]) -> pd.DataFrame:
    """Returns every validation loss, one row per run, task, language and step, in this order.

    Columns: those of `TRAJECTORY_COLUMNS`. `task_rows` counts the rows of the task seen so far; `alone_run_id` is the
    twin of a mixed run, empty without one; `alone_loss` is the twin's loss after equal task rows, NaN beyond its
    validations; `difference` is `loss - alone_loss`. Losses are in nats per token.
    """
    logs = list(logs)
    # A sweep may have thousands of runs, so the candidates for twins are indexed once.
    families: dict[tuple[object, ...], list[RunLog]] = {}
    for log in logs:
        families.setdefault(_family(log), []).append(log)
    rows: list[dict[str, Any]] = []
    for log in logs:
        for task in log.tasks:
            alone = twin(log, task, families[_family(log)])
            for language in log.validated.get((task, "loss"), ()):
                rows += _trajectory(log, alone, task, language)
    return pd.DataFrame(rows, columns=list(TRAJECTORY_COLUMNS))


def twin(log: RunLog, task: str, logs: Sequence[RunLog]) -> RunLog | None:
    """Returns the single-task run with which a mixed run is compared in a task; None when there is none."""
    if log.setting == "single":
        return None
    candidates = [other for other in logs if other.tasks == (task,) and _family(other) == _family(log)]
    return min(candidates, key=lambda other: (other.settings != log.settings, other.run_id), default=None)


def _family(log: RunLog) -> tuple[object, ...]:
    return log.model, log.training_languages, log.samples_per_language, log.seed


def turning_points(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the lowest and the last loss, one row per run, task and language.

    Columns: those of `RUN_COLUMNS`, `task`, `eval_language`, `exposure`, `alone_run_id`; `lowest_loss` and `last_loss`
    in nats per token, with the task rows at which they occur; `rise`, the last minus the lowest loss; `course`:
    `falling` (the lowest loss is the last), `level` (the last is within `TOLERANCE` of the lowest) or `rising`. The
    columns with the prefix `alone_` are the same of the twin.
    """
    key = [*RUN_COLUMNS, "task", "eval_language", "exposure", "alone_run_id"]
    rows = [group_columns(key, values) | _turning_point(losses) for values, losses in table.groupby(key, sort=False)]
    turns = pd.DataFrame(rows, columns=[*key, *_TURN_COLUMNS])
    shared = ["task", "eval_language"]
    alone = turns.set_index(shared)[["run_id", *_TURN_COLUMNS]].add_prefix("alone_").reset_index()
    return turns.merge(alone, on=["alone_run_id", *shared], how="left")


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the loss of each mixed run minus that of its twin at the last task rows that both reached.

    There is one row per run, task and exposure. Columns: those of `RUN_COLUMNS`, `alone_run_id`, `task`, `exposure`,
    `task_rows`; `difference` in nats per token, the mean over `n` languages; `low`, `high`, its 95% t interval.
    """
    compared = table[table["difference"].notna()]
    last = compared.groupby(["run_id", "task", "eval_language"])["task_rows"].transform("max")
    ends = compared[compared["task_rows"] == last]
    rows = []
    key = [*RUN_COLUMNS, "alone_run_id", "task", "exposure"]
    for values, languages in ends.groupby(key, sort=False):
        low, high = t_interval(languages["difference"])
        mean = {"task_rows": languages["task_rows"].min(), "difference": languages["difference"].mean()}
        rows.append(group_columns(key, values) | mean | {"low": low, "high": high, "n": len(languages)})
    return pd.DataFrame(rows, columns=[*key, "task_rows", "difference", "low", "high", "n"])


def _turning_point(losses: pd.DataFrame) -> dict[str, Any]:
    lowest, last = losses.iloc[int(losses["loss"].argmin())], losses.iloc[-1]
    rise = last["loss"] - lowest["loss"]
    course = FALLING if lowest["step"] == last["step"] else LEVEL if rise <= TOLERANCE * lowest["loss"] else RISING
    values = (lowest["loss"], lowest["task_rows"], last["loss"], last["task_rows"], rise, course)
    return dict(zip(_TURN_COLUMNS, values, strict=True))


def _trajectory(log: RunLog, alone: RunLog | None, task: str, language: str) -> Iterator[dict[str, Any]]:
    curve = {"task": task, "eval_language": language, "exposure": log.exposure(language)}
    curve |= {"alone_run_id": alone.run_id if alone else ""}
    _, rows, losses = np.array(_losses(alone, task, language) if alone else []).reshape(-1, 3).T
    for step, seen, loss in _losses(log, task, language):
        alone_loss = float(np.interp(seen, rows, losses, np.nan, np.nan)) if len(rows) else np.nan
        yield log.columns() | curve | {"step": step, "task_rows": seen, "loss": loss, "alone_loss": alone_loss,
                                       "difference": loss - alone_loss}  # fmt: skip


def _losses(log: RunLog, task: str, language: str) -> list[tuple[int, float, float]]:
    """Returns the step, the task rows seen until then, and the loss of every validation whose loss is finite."""
    name = f"val/{task}/{language}/loss"
    points = ((step, log.task_rows(step), metrics.get(name, np.nan)) for step, metrics in log.validation)
    return [point for point in points if np.isfinite(point[2])]
