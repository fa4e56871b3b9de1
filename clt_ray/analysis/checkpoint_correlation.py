"""Do unseen languages follow the seen ones while a run trains? Rank correlation over the checkpoints of each run.

**Contract.** At every validation of a run, a metric is averaged over the seen and over the unseen languages; the
Spearman correlation of both means over the validations says whether they rise and fall in the same order. English is in
neither. A validation counts only where all languages were measured, so that every mean is over the same ones.

**What it does not have.** No p value and no interval within a run. Checkpoints of one run are one path: both means
fall while training goes on, whether or not one language helps another, so two unrelated languages correlate near 1.
Shuffling blocks or shifting one path along the other would need paths that stay on one level, which losses do not. So
there are two guards instead. `of_changes` correlates the changes between neighbouring checkpoints, from which a common
steady trend is gone (a common slowing down is not). And runs are what is independent: `over_runs` gives the mean over
the runs of a curve with an interval over runs. It says what another run would show, not that training on one language
causes it.

**Example.** Seen losses 2.0, 1.5, 1.2, 1.1 and unseen losses 3.0, 2.6, 2.5, 2.7 have ranks 4 3 2 1 and 4 2 1 3: rho is
0.4. The changes -0.5, -0.3, -0.1 and -0.4, -0.1, +0.2 have equal ranks: 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import nan
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from clt_ray.analysis.display_order import language_order
from clt_ray.analysis.jackknife import FEWEST, t_interval
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns

LEAST: Final = 3
"""Checkpoints without which there is no correlation."""
CURVE_COLUMNS: Final = ["model", "setting", "task", "mixture", "language_group", "train_languages", "metric"]
"""Columns that say which runs are averaged over; `metric` is a validation metric."""
COLUMNS: Final = (
    *RUN_COLUMNS, "task", "metric", "seen_languages", "unseen_languages", "n", "first_step", "last_step", "spearman",
    "of_changes",
)  # fmt: skip
MEANS: Final = (
    *CURVE_COLUMNS, "spearman", "low", "high", "of_changes", "changes_low", "changes_high", "n", "checkpoints",
    "run_ids",
)  # fmt: skip

Values = NDArray[np.float64]


def checkpoint_tables(logs: Iterable[RunLog]) -> dict[str, pd.DataFrame]:
    """Both tables by the names of their CSV files; none without a row.

    Args:
        logs: Of finished runs, from `clt_ray.evidence.run_logs`.
    """
    table = transfer_correlation_checkpoints(logs)
    if table.empty:
        return {}
    return {"transfer_correlation_checkpoints": table, "transfer_correlation_over_runs": over_runs(table)}


def transfer_correlation_checkpoints(logs: Iterable[RunLog]) -> pd.DataFrame:
    """Per run, task and validation metric: Spearman correlation of seen and unseen means over its checkpoints.

    Columns `COLUMNS`; `n` counts checkpoints, `of_changes` is the correlation of their changes. Runs without seen or
    without unseen languages, and with fewer than `LEAST` checkpoints, have no row; NaN where one side does not vary.

    Args:
        logs: Of finished runs, from `clt_ray.evidence.run_logs`.
    """
    rows: list[dict[str, Any]] = []
    for log in logs:
        for (task, metric), languages in sorted(_measured(log).items(), key=lambda found: _reading_order(*found[0])):
            seen = [code for code in languages if log.exposure(code) == "seen"]
            unseen = [code for code in languages if log.exposure(code) == "unseen"]
            # A run in English alone, or a control with more of it, has nothing that others could follow.
            if not seen or not unseen:
                continue
            steps, left, right = _paths(log, task, metric, seen, unseen)
            if len(steps) < LEAST:
                continue
            about: dict[str, Any] = {"task": task, "metric": metric, "seen_languages": "+".join(seen)}
            about |= {"unseen_languages": "+".join(unseen), "n": len(steps)}
            about |= {"first_step": steps[0], "last_step": steps[-1]}
            found = {"spearman": spearman(left, right), "of_changes": spearman(np.diff(left), np.diff(right))}
            rows.append(log.columns() | about | found)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def over_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Per curve and metric: the mean correlation over its runs, with a 95% Student interval over them.

    Columns `MEANS`; `n` counts runs, `checkpoints` all of theirs. There is no interval below `jackknife.FEWEST` runs,
    nor where all runs have the same correlation, which says nothing of how much others would differ.

    Args:
        table: From `transfer_correlation_checkpoints`.
    """
    rows: list[dict[str, Any]] = []
    for key, own in table.groupby(CURVE_COLUMNS, sort=False):
        about = group_columns(CURVE_COLUMNS, key)
        for value, low, high in (("spearman", "low", "high"), ("of_changes", "changes_low", "changes_high")):
            mean, ends = _mean(own[value].dropna().to_numpy(dtype=float))
            about |= {value: mean, low: ends[0], high: ends[1]}
        known = own["spearman"].notna()
        runs = "+".join(dict.fromkeys(own.loc[known, "run_id"]))
        rows.append(about | {"n": int(known.sum()), "checkpoints": int(own.loc[known, "n"].sum()), "run_ids": runs})
    return pd.DataFrame(rows, columns=list(MEANS))


def spearman(left: Values, right: Values) -> float:
    """Rank correlation, ties sharing their mean rank; NaN below `LEAST` pairs or where one side is constant."""
    # Losses are recorded with about 7 digits; differences beyond are no order.
    left, right = np.round(left, 9), np.round(right, 9)
    if len(left) < LEAST or np.ptp(left) == 0 or np.ptp(right) == 0:
        return nan
    return float(np.clip(np.corrcoef(rankdata(left), rankdata(right))[0, 1], -1, 1))


def _measured(log: RunLog) -> dict[tuple[str, str], list[str]]:
    """Languages by task and metric, of all names `val/<task>/<language>/<metric>`."""
    found: dict[tuple[str, str], set[str]] = {}
    for _, metrics in log.validation:
        for name in metrics:
            parts = name.split("/")
            if len(parts) == 4 and parts[0] == "val" and parts[1] in log.tasks:
                found.setdefault((parts[1], parts[3]), set()).add(parts[2])
    return {key: sorted(codes, key=language_order) for key, codes in found.items()}


def _reading_order(task: str, metric: str) -> tuple[object, ...]:
    return task_order(task), metric != "loss", metric


def _paths(
    log: RunLog, task: str, metric: str, seen: Sequence[str], unseen: Sequence[str]
) -> tuple[list[int], Values, Values]:
    """Steps where all languages were measured, and both means at them."""
    steps, means = [], []
    for step, metrics in log.validation:
        sides = [[metrics.get(f"val/{task}/{code}/{metric}", nan) for code in codes] for codes in (seen, unseen)]
        if np.isfinite([value for side in sides for value in side]).all():
            steps.append(step)
            means.append([float(np.mean(side)) for side in sides])
    paths = np.array(means, dtype=float).reshape(-1, 2)
    return steps, paths[:, 0], paths[:, 1]


def _mean(values: Values) -> tuple[float, tuple[float, float]]:
    """Mean and interval over runs, within the range of a correlation."""
    if not len(values):
        return nan, (nan, nan)
    mean = float(values.mean())
    if len(values) < FEWEST or np.ptp(values) == 0:
        return mean, (nan, nan)
    low, high = t_interval(values)
    return mean, (max(low, -1.0), min(high, 1.0))
