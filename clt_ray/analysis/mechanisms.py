"""Tests an explanation of interference: whether tasks whose gradients agree disturb each other less.

    file of a run directory     field of RunLog            tables
    run.json                    (the run's axis values)
    validation.jsonl            RunLog.validation          loss_trajectories: losses, mixed against single-task
    interference.jsonl          RunLog.interference        gradient_agreement: cosine similarities of gradients
    scores.csv                  (a Study)                  comparisons.interference: mixed minus single-task score

The *pull* of the other tasks of a run on one of its tasks is the mean cosine of this task's gradients with theirs. If
interference is caused by gradients that point in different directions, tasks with a smaller pull lose more by mixing:
their loss stays further behind that of the single-task twin (a negative correlation), and their score falls more (a
positive one). A few runs cannot show this, so each correlation has its number of observations and its interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis import gradient_agreement as gradients
from clt_ray.analysis import loss_trajectories as losses
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.rank_correlation import rank_correlation
from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns
from clt_ray.analysis.table_columns import add_q_values

ALL_TASKS: Final = "all"
"""Value of column `task` in rows about all tasks together."""
LOSS_DIFFERENCE: Final = "loss_difference"
INTERFERENCE: Final = "interference"
OUTCOMES: Final = (LOSS_DIFFERENCE, INTERFERENCE)
"""What the pull is correlated with: the final loss minus that of the single-task twin, in nats per token; and the mixed
minus the single-task score as a share of the metric's scale."""

_GRID_CELL: Final = [
    "model", "mixture", "task", "language_group", "train_languages", "samples_per_language", "exposure",
]  # fmt: skip


@dataclass(frozen=True)
class Mechanisms:
    """All tables on interference that the logs of runs give; each is described by the function that returns it."""

    trajectories: pd.DataFrame
    turning_points: pd.DataFrame
    loss_differences: pd.DataFrame
    gradient_pairs: pd.DataFrame
    gradient_agreement: pd.DataFrame
    pulls: pd.DataFrame
    association: pd.DataFrame


def mechanisms(logs: Sequence[RunLog], interference: pd.DataFrame | None = None) -> Mechanisms:
    """Computes all tables from the logs of finished runs and the table `comparisons.interference` of their scores."""
    table = losses.trajectories(logs)
    loss_differences, cosines = losses.differences(table), gradients.gradient_cosines(logs)
    pull_table = pulls(cosines, loss_differences, interference)
    return Mechanisms(
        trajectories=table, turning_points=losses.turning_points(table), loss_differences=loss_differences,
        gradient_pairs=cosines, gradient_agreement=gradients.gradient_agreement(cosines), pulls=pull_table,
        association=association(pull_table),
    )  # fmt: skip


def pulls(
    cosines: pd.DataFrame, loss_differences: pd.DataFrame, interference: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Returns the pull of the other tasks on each task of a mixture, beside its outcomes.

    There is one row per grid cell with several tasks, task and exposure, averaged over runs that differ only in the
    seed. Columns: `model, mixture, task, language_group, train_languages, samples_per_language`; `exposure`, which is
    `english` or `seen`, as gradients of other languages are not measured; `cosine`, the pull; and `OUTCOMES`, or NaN.
    """
    rows: list[dict[str, Any]] = []
    means = gradients.over_steps(cosines[cosines["setting"] == "multi"])
    for key, run_means in means.groupby(list(RUN_COLUMNS), sort=False):
        run = group_columns(RUN_COLUMNS, key)
        trained = [code for code in str(run["train_languages"]).split("+") if code not in ("", "en")]
        for task in str(run["mixture"]).split("+"):
            for exposure, languages in (("english", ["en"]), ("seen", trained)):
                cosine = gradients.pull(run_means, task, languages)
                if np.isfinite(cosine):
                    rows.append(run | {"task": task, "exposure": exposure, "cosine": cosine})
    table = pd.DataFrame(rows, columns=[*RUN_COLUMNS, "task", "exposure", "cosine"])
    keys = ["run_id", "task", "exposure"]
    final_losses = loss_differences.set_index(keys)["difference"].rename(LOSS_DIFFERENCE)
    table = table.join(final_losses, on=keys)
    table = table.groupby(_GRID_CELL, sort=False)[["cosine", LOSS_DIFFERENCE]].mean().reset_index()
    if interference is None:
        return table.assign(**{INTERFERENCE: np.nan})
    spans = [metric(name).span for name in interference["metric"]]
    scores = interference[_GRID_CELL].assign(**{INTERFERENCE: interference["interference"] / spans})
    return table.merge(scores, on=_GRID_CELL, how="left")


def association(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the Spearman correlation of the pull with each outcome, per task and over all tasks together.

    Columns: `outcome`; `task`, or `ALL_TASKS`; `n`, the number of rows; `spearman`, `p`, `q`, `low`, `high` (see
    `rank_correlation`), NaN for fewer than 3 rows or where one variable is constant. Over all tasks, differences
    between tasks can produce a correlation that exists within no task.
    """
    rows = []
    for outcome in OUTCOMES:
        with_outcome = table[table[outcome].notna()]
        for task in [*dict.fromkeys(with_outcome["task"]), ALL_TASKS] if len(with_outcome) else []:
            group = with_outcome if task == ALL_TASKS else with_outcome[with_outcome["task"] == task]
            correlation = rank_correlation(group["cosine"].to_numpy(), group[outcome].to_numpy())
            rows.append({"outcome": outcome, "task": task} | vars(correlation))
    columns = ["outcome", "task", "n", "spearman", "p", "low", "high"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["outcome"])
