"""How far the gradients of the tasks and languages of a run agree, from the cosines that it recorded.

A recorded cosine is that of gradients over a few rows, whose noise draws it towards 0. How noisy the gradient of a cell
is, the cosine r of its two halves says: the share of its squared length that is not noise is R = 2r / (1 + r) for both
halves together (Spearman 1910 and Brown 1910, of test halves). So a cosine c of two cells has a *ceiling*
sqrt(R_a R_b), which two equal gradients would reach, and c / ceiling is the *corrected* cosine (Spearman, "The proof
and measurement of association between two things", 1904).

Example: halves agree at 0.6 in math.en and 0.5 in math.es, so R is 0.75 and 0.67 and the ceiling 0.71. A recorded
cosine of 0.5 is then one of 0.71 between the gradients over infinitely many such rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.jackknife import pair_interval
from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns

PREFIX: Final = "interference"
ITSELF, WITHIN_TASK, WITHIN_LANGUAGE, ACROSS = "itself", "within task", "within language", "across both"
RELATIONS: Final = (WITHIN_TASK, WITHIN_LANGUAGE, ACROSS)
"""Same task in another language; same language in another task; neither."""

CELLS: Final = ("first_task", "first_language", "second_task", "second_language")
PAIRS: Final = (*RUN_COLUMNS, "step", *CELLS, "relation", "cosine")


def agreement_pairs(logs: Iterable[RunLog]) -> pd.DataFrame:
    """Every recorded cosine: columns `PAIRS`. In rows of relation `itself` it is that of a cell's two halves."""
    rows: list[dict[str, Any]] = []
    for log in logs:
        about = log.columns()
        for step, metrics in log.interference:
            for name, value in metrics.items():
                cells = parse_pair(name)
                if cells is not None and np.isfinite(value):
                    place = dict(zip(CELLS, cells, strict=True))
                    rows.append(about | place | {"step": step, "relation": relation(*cells), "cosine": value})
    return pd.DataFrame(rows, columns=list(PAIRS))


def parse_pair(name: str) -> tuple[str, str, str, str] | None:
    """Task and language of the two cells that a metric `interference/<cell>/<cell>` is about; None for others."""
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != PREFIX or any(part.count(".") != 1 for part in parts[1:]):
        return None
    (first_task, first_language), (second_task, second_language) = (part.split(".") for part in parts[1:])
    return first_task, first_language, second_task, second_language


def relation(first_task: str, first_language: str, second_task: str, second_language: str) -> str:
    """What two cells share."""
    same = first_task == second_task, first_language == second_language
    return {(True, True): ITSELF, (True, False): WITHIN_TASK, (False, True): WITHIN_LANGUAGE}.get(same, ACROSS)


def over_steps(pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per run and pair: the mean cosine over its steps, its `ceiling`, `first`, `last` and number of `steps`.

    Means of steps come before everything else, since neighbouring steps are no independent evidence. The ceiling is NaN
    where a cell's halves do not agree at all, which leaves nothing to correct.

    Args:
        pairs: From `agreement_pairs`.
    """
    ordered = pairs.sort_values("step", kind="stable").groupby([*RUN_COLUMNS, *CELLS, "relation"], sort=False)["cosine"]
    table = ordered.agg(cosine="mean", first="first", last="last", steps="size").reset_index()
    itself = table[table["relation"] == ITSELF]
    cells = zip(itself["run_id"], itself["first_task"], itself["first_language"], strict=True)
    reliability = dict(zip(cells, map(spearman_brown, itself["cosine"]), strict=True))
    sides = [
        [reliability.get(cell, nan) for cell in zip(table["run_id"], table[task], table[language], strict=True)]
        for task, language in (CELLS[:2], CELLS[2:])
    ]
    return table.assign(ceiling=np.sqrt(np.prod(np.array(sides, dtype=float).reshape(2, -1), axis=0)))


def spearman_brown(half: float) -> float:
    """Share of a gradient's squared length that is not noise, from the cosine of its halves; NaN if not above 0."""
    return 2 * half / (1 + half) if half > 0 else nan


def agreement(pairs: pd.DataFrame) -> pd.DataFrame:
    """Per run and relation: mean cosine over pairs and steps, and the mean corrected for noise, with 95% intervals.

    Intervals are over languages (`jackknife`); `n` counts pairs. `first` and `last` are the means at the first and the
    last step. The corrected cosine is mean cosine / mean ceiling, steadier than a mean of ratios.

    Args:
        pairs: From `agreement_pairs`.
    """
    table = over_steps(pairs)
    rows = []
    for key, own in table[table["relation"] != ITSELF].groupby([*RUN_COLUMNS, "relation"], sort=False):
        low, high = pair_interval(own, _mean)
        corrected_low, corrected_high = pair_interval(own, corrected)
        rows.append(
            group_columns([*RUN_COLUMNS, "relation"], key)
            | {"cosine": _mean(own), "low": low, "high": high, "ceiling": own["ceiling"].mean()}
            | {"corrected": corrected(own), "corrected_low": corrected_low, "corrected_high": corrected_high}
            | {"first": own["first"].mean(), "last": own["last"].mean()}
            | {"n": len(own), "languages": len({*own["first_language"], *own["second_language"]})}
            | {"steps": int(own["steps"].min())}
        )
    columns = [*RUN_COLUMNS, "relation", "cosine", "low", "high", "ceiling", "corrected", "corrected_low",
               "corrected_high", "first", "last", "n", "languages", "steps"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def by_step(pairs: pd.DataFrame) -> pd.DataFrame:
    """Per run, relation and step: mean cosine over pairs with its interval over languages; `n` counts pairs.

    Args:
        pairs: From `agreement_pairs`.
    """
    rows = []
    for key, own in pairs[pairs["relation"] != ITSELF].groupby([*RUN_COLUMNS, "relation", "step"], sort=False):
        low, high = pair_interval(own, _mean)
        found = {"cosine": _mean(own), "low": low, "high": high, "n": len(own)}
        rows.append(group_columns([*RUN_COLUMNS, "relation", "step"], key) | found)
    return pd.DataFrame(rows, columns=[*RUN_COLUMNS, "relation", "step", "cosine", "low", "high", "n"])


def corrected(rows: pd.DataFrame) -> float:
    """Mean cosine / mean ceiling of rows of `over_steps`; NaN where no ceiling is known for one of them."""
    ceilings = rows["ceiling"]
    return _mean(rows) / float(ceilings.mean()) if len(rows) and ceilings.notna().all() else nan


def _mean(rows: pd.DataFrame) -> float:
    return float(rows["cosine"].mean())


def pull(means: pd.DataFrame, task: str, languages: Iterable[str]) -> float:
    """Mean cosine of a task's cells in some languages with all cells of the other tasks; NaN when there are none.

    Args:
        means: From `over_steps`, rows of one run.
        task: The task.
        languages: In which the task's own cells are.
    """
    wanted = set(languages)
    own = [
        (first == task and code in wanted) or (second == task and other in wanted)
        for first, code, second, other in means[list(CELLS)].itertuples(index=False, name=None)
    ]
    apart = means["first_task"] != means["second_task"]
    return _mean(means[apart & np.array(own, dtype=bool)])
