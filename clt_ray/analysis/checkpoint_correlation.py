"""Spearman correlation between seen and unseen validation metrics over the checkpoints of each run.

**Contract.** At every validation during a run, a metric is averaged over the seen and over the unseen languages. The
Spearman correlation of the two means over the validations of a run measures whether they rise and fall together.
English is in neither mean. Validations that lack a language are left out, so that all means are over the same ones.

**Limits.** There is no p value and no interval for a single run. The checkpoints of one run are a single time series:
both means fall during training whether or not one language helps another, so the means of two unrelated languages
correlate near 1. Block permutation and circular shifts would need stationary series, which losses are not. Two measures
are reported instead. `of_changes` is the correlation of the changes between neighbouring checkpoints, which removes a
common linear trend (but not a common slowing of the descent). `over_runs` gives the mean correlation over the
independent runs of a curve with an interval, which describes what another run would show, not a causal effect.

**Example.** Seen losses of 2.0, 1.5, 1.2, 1.1 and unseen losses of 3.0, 2.6, 2.5, 2.7 have the ranks 4 3 2 1 and
4 2 1 3, so rho is 0.4. The changes -0.5, -0.3, -0.1 and -0.4, -0.1, +0.2 have equal ranks, so their rho is 1.0.
"""

from collections.abc import Iterable, Sequence
from math import nan
from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.rank_correlation import MIN_PAIRS, spearman
from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns
from clt_ray.analysis.table_columns import CURVE_COLUMNS
from clt_ray.analysis.uncertainty import Floats, t_interval

_DECIMALS: Final = 9
"""Decimals to which means are rounded before they are ranked; losses are recorded with about 7 digits."""
COLUMNS: Final = (
    *RUN_COLUMNS, "task", "metric", "seen_languages", "unseen_languages", "n", "first_step", "last_step", "spearman",
    "of_changes",
)  # fmt: skip
"""Columns of the table of runs."""
MEAN_COLUMNS: Final = (
    *CURVE_COLUMNS, "spearman", "low", "high", "of_changes", "changes_low", "changes_high", "n", "checkpoints",
    "run_ids",
)  # fmt: skip
"""Columns of the table of curves; `metric` is a validation metric."""


def transfer_correlation_checkpoints(logs: Iterable[RunLog]) -> pd.DataFrame:
    """Returns the correlation of seen and unseen means over checkpoints, one row per run, task and validation metric.

    Columns: those of `COLUMNS`: `n` checkpoints; `spearman` of the means and `of_changes` of their changes, NaN where a
    mean is constant. Runs without seen or unseen languages, or below `MIN_PAIRS` checkpoints, have no row.
    """
    rows: list[dict[str, Any]] = []
    for log in logs:
        measured = log.validated
        for task, metric in sorted(measured, key=lambda key: (task_order(key[0]), key[1] != "loss", key[1])):
            languages = measured[task, metric]
            seen = [code for code in languages if log.exposure(code) == "seen"]
            unseen = [code for code in languages if log.exposure(code) == "unseen"]
            if not seen or not unseen:
                continue  # Runs on English alone and equal-volume controls have no seen languages.
            steps, seen_means, unseen_means = _means(log, f"val/{task}/{{}}/{metric}", seen, unseen)
            if len(steps) < MIN_PAIRS:
                continue
            labels: dict[str, Any] = {"task": task, "metric": metric, "seen_languages": "+".join(seen)}
            labels |= {"unseen_languages": "+".join(unseen), "n": len(steps)}
            labels |= {"first_step": steps[0], "last_step": steps[-1]}
            labels["spearman"] = spearman(seen_means, unseen_means, _DECIMALS)
            labels["of_changes"] = spearman(np.diff(seen_means), np.diff(unseen_means), _DECIMALS)
            rows.append(log.columns() | labels)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def over_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean correlation over the runs of each curve and metric, with its 95% Student's t interval.

    `table` is that of `transfer_correlation_checkpoints`. Columns: those of `MEAN_COLUMNS`; `n` is the number of runs
    and `checkpoints` the sum of their checkpoints. There is no interval for fewer than `uncertainty.FEWEST` runs, nor
    where all runs have the same correlation, since their variance is then not estimated.
    """
    rows: list[dict[str, Any]] = []
    for key, runs in table.groupby(list(CURVE_COLUMNS), sort=False):
        row = group_columns(CURVE_COLUMNS, key)
        for value, low, high in (("spearman", "low", "high"), ("of_changes", "changes_low", "changes_high")):
            known = runs[value].dropna()
            ends = np.clip(t_interval(known), -1.0, 1.0) if known.nunique() > 1 else (nan, nan)
            row |= {value: known.mean(), low: ends[0], high: ends[1]}
        is_known = runs["spearman"].notna()
        run_ids = "+".join(dict.fromkeys(runs.loc[is_known, "run_id"]))
        checkpoints = int(runs.loc[is_known, "n"].sum())
        rows.append(row | {"n": int(is_known.sum()), "checkpoints": checkpoints, "run_ids": run_ids})
    return pd.DataFrame(rows, columns=list(MEAN_COLUMNS))


def _means(log: RunLog, name: str, seen: Sequence[str], unseen: Sequence[str]) -> tuple[list[int], Floats, Floats]:
    """Returns the steps at which all languages were measured, and the seen and unseen means at these steps."""
    steps, means = [], []
    for step, metrics in log.validation:
        sides = [[metrics.get(name.format(code), nan) for code in codes] for codes in (seen, unseen)]
        if np.isfinite([value for side in sides for value in side]).all():
            steps.append(step)
            means.append([float(np.mean(side)) for side in sides])
    columns = np.array(means, dtype=float).reshape(-1, 2)
    return steps, columns[:, 0], columns[:, 1]
