"""Why mixing tasks helps or hurts: whether gradients that agree go with tasks that do not disturb each other.

    run directory                    here                      measured by
    run.json                    ->   RunLog
    validation.jsonl            ->   RunLog.validation    ->   trajectories: losses, mixed beside single-task
    interference.jsonl          ->   RunLog.interference  ->   agreement: cosines of gradients
    scores.csv                  ->   Study                ->   comparisons.interference: mixed minus single-task score

The *pull* of a run's other tasks on one of its tasks is the mean cosine of that task's gradients with theirs. If
interference comes from gradients that point apart, then tasks with a smaller pull lose more: their loss stays further
behind the twin's (a negative correlation), and their score falls more (a positive one). A few runs cannot show it: what
a correlation rests on is given with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from clt_ray.analysis import gradient_agreement as gradients
from clt_ray.analysis import loss_trajectories as losses
from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns
from clt_ray.analysis.transfer import spearman_interval, spearman_p

ALL_TASKS: Final = "all"
LOSS_DIFFERENCE: Final = "loss_difference"
INTERFERENCE: Final = "interference"
OUTCOMES: Final = (LOSS_DIFFERENCE, INTERFERENCE)
"""Nats per token behind the twin; mixed minus single-task score as a share of the metric's scale."""

_CELL: Final = ["model", "mixture", "task", "language_group", "train_languages", "samples_per_language", "exposure"]


@dataclass(frozen=True)
class Mechanisms:
    """Everything that the logs of some runs say of interference, as tables."""

    trajectories: pd.DataFrame
    """From `loss_trajectories.trajectories`."""
    turning_points: pd.DataFrame
    """From `loss_trajectories.turning_points`."""
    loss_differences: pd.DataFrame
    """From `loss_trajectories.differences`."""
    gradient_pairs: pd.DataFrame
    """From `gradient_agreement.agreement_pairs`; empty where nothing was measured."""
    gradient_agreement: pd.DataFrame
    """From `gradient_agreement.agreement`."""
    pulls: pd.DataFrame
    """From `pulls`."""
    association: pd.DataFrame
    """From `association`."""


def mechanisms(logs: Sequence[RunLog], interference: pd.DataFrame | None = None) -> Mechanisms:
    """All tables from the logs of runs.

    Args:
        logs: Of finished runs, mixed and single-task ones.
        interference: From `comparisons.interference` on the scores of the same runs; None without scores.
    """
    table = losses.trajectories(logs)
    behind, pairs = losses.differences(table), gradients.agreement_pairs(logs)
    found = pulls(pairs, behind, interference)
    return Mechanisms(
        trajectories=table,
        turning_points=losses.turning_points(table),
        loss_differences=behind,
        gradient_pairs=pairs,
        gradient_agreement=gradients.agreement(pairs),
        pulls=found,
        association=association(found),
    )


def pulls(pairs: pd.DataFrame, behind: pd.DataFrame, interference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Per cell of the grid with several tasks: the pull of the other tasks on a task, and what became of it.

    Runs that differ only in seed are averaged. `exposure` is `english` or `seen`: gradients of languages that a run
    does not train on are not measured. Outcomes (`OUTCOMES`) are NaN where they are not known.

    Args:
        pairs: From `gradient_agreement.agreement_pairs`.
        behind: From `loss_trajectories.differences`.
        interference: From `comparisons.interference`.
    """
    rows: list[dict[str, Any]] = []
    means = gradients.over_steps(pairs[pairs["setting"] == "multi"])
    for key, own in means.groupby(list(RUN_COLUMNS), sort=False):
        about = group_columns(RUN_COLUMNS, key)
        trained = [code for code in str(about["train_languages"]).split("+") if code not in ("", "en")]
        for task in str(about["mixture"]).split("+"):
            for exposure, languages in (("english", ["en"]), ("seen", trained)):
                cosine = gradients.pull(own, task, languages)
                if np.isfinite(cosine):
                    rows.append(about | {"task": task, "exposure": exposure, "cosine": cosine})
    table = pd.DataFrame(rows, columns=[*RUN_COLUMNS, "task", "exposure", "cosine"])
    ends = behind[["run_id", "task", "exposure", "difference"]].rename(columns={"difference": LOSS_DIFFERENCE})
    table = table.merge(ends, on=["run_id", "task", "exposure"], how="left")
    table = table.groupby(_CELL, sort=False)[["cosine", LOSS_DIFFERENCE]].mean().reset_index()
    if interference is None:
        return table.assign(**{INTERFERENCE: np.nan})
    spans = [metric(name).span for name in interference["metric"]]
    scores = interference[_CELL].assign(**{INTERFERENCE: interference["interference"] / spans})
    return table.merge(scores, on=_CELL, how="left")


def association(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlation of the pull with each outcome, over the cells of a task and over those of all tasks.

    `n` counts cells; NaN with fewer than 3, or where one side does not vary; the interval is `spearman_interval`. Over
    all tasks, tasks that differ in both may make a correlation that no task has within itself.

    Args:
        table: From `pulls`.
    """
    rows = []
    for outcome in OUTCOMES:
        known = table[table[outcome].notna()]
        for task in [*dict.fromkeys(known["task"]), ALL_TASKS] if len(known) else []:
            own = known if task == ALL_TASKS else known[known["task"] == task]
            rows.append({"outcome": outcome, "task": task, "n": len(own)} | _spearman(own["cosine"], own[outcome]))
    columns = ["outcome", "task", "n", "spearman", "p", "low", "high"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["outcome"])


def _spearman(left: pd.Series, right: pd.Series) -> dict[str, float]:
    if left.nunique() < 2 or right.nunique() < 2 or len(left) < 3:
        return {"spearman": np.nan, "p": np.nan, "low": np.nan, "high": np.nan}
    ranks = rankdata(left), rankdata(right)
    rho = float(np.corrcoef(*ranks)[0, 1])
    low, high = spearman_interval(rho, len(left))
    return {"spearman": rho, "p": spearman_p(ranks[0].tolist(), ranks[1].tolist()), "low": low, "high": high}
