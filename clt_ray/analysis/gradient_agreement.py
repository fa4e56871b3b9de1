"""Estimates how far the gradients of the tasks and languages of a run agree, from the recorded cosine similarities.

A recorded cosine is computed from gradients over a few rows, whose sampling noise biases it towards 0. The noise of the
gradient of one task-language pair is estimated from the cosine r of the gradients of its two halves: the share of the
squared length of the whole gradient that is not noise, its reliability, is R = 2r / (1 + r) (Spearman 1910 and Brown
1910, for halves of a test). The cosine of two task-language pairs a and b then has the *ceiling* sqrt(R_a R_b), the
value that two equal gradients would reach, and cosine / ceiling is the cosine *corrected* for noise (Spearman, "The
proof and measurement of association between two things", 1904).

Example: the halves agree at 0.6 in math.en and at 0.5 in math.es, so R is 0.75 and 0.67 and the ceiling 0.71. A
recorded cosine of 0.5 corresponds to a cosine of 0.71 between gradients without noise.
"""

from collections.abc import Iterable
from math import nan
from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.run_log import RUN_COLUMNS, RunLog, group_columns
from clt_ray.analysis.uncertainty import pair_interval

PREFIX: Final = "interference"
"""First part of the names of the recorded cosines."""
ITSELF, WITHIN_TASK, WITHIN_LANGUAGE, ACROSS = "itself", "within task", "within language", "across both"
RELATIONS: Final = (WITHIN_TASK, WITHIN_LANGUAGE, ACROSS)
"""Relations of two task-language pairs: same task in another language, same language in another task, neither."""

PAIR_COLUMNS: Final = ("first_task", "first_language", "second_task", "second_language")
"""Columns that name the two task-language pairs of a cosine."""
COSINE_COLUMNS: Final = (*RUN_COLUMNS, "step", *PAIR_COLUMNS, "relation", "cosine")
"""Columns of the table of recorded cosines."""


def gradient_cosines(logs: Iterable[RunLog]) -> pd.DataFrame:
    """Returns every recorded cosine, one row per run, step and two task-language pairs.

    Columns: those of `COSINE_COLUMNS`. The relation `itself` marks the cosine of the two halves of one pair.
    """
    rows: list[dict[str, Any]] = []
    for log in logs:
        run = log.columns()
        for step, metrics in log.interference:
            for name, value in metrics.items():
                parts = parse_pair(name)
                if parts is not None and np.isfinite(value):
                    pairs = dict(zip(PAIR_COLUMNS, parts, strict=True))
                    rows.append(run | pairs | {"step": step, "relation": relation(*parts), "cosine": value})
    return pd.DataFrame(rows, columns=list(COSINE_COLUMNS))


def parse_pair(name: str) -> tuple[str, str, str, str] | None:
    """Returns `PAIR_COLUMNS` of a name `interference/<task>.<language>/<task>.<language>`; None for other names."""
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != PREFIX or any(part.count(".") != 1 for part in parts[1:]):
        return None
    (first_task, first_language), (second_task, second_language) = (part.split(".") for part in parts[1:])
    return first_task, first_language, second_task, second_language


def relation(first_task: str, first_language: str, second_task: str, second_language: str) -> str:
    """Returns what two task-language pairs have in common: `ITSELF` or one of `RELATIONS`."""
    equal = first_task == second_task, first_language == second_language
    return {(True, True): ITSELF, (True, False): WITHIN_TASK, (False, True): WITHIN_LANGUAGE}.get(equal, ACROSS)


def over_steps(cosines: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean cosine over the steps of a run, one row per run and two task-language pairs.

    Columns: those of `RUN_COLUMNS` and `PAIR_COLUMNS`, `relation`, `cosine`, `first` and `last` (the cosines at the
    first and the last step), `steps` (their number) and `ceiling`. Steps are averaged before anything else, because
    neighbouring steps are not independent. The ceiling is NaN where the cosine of the two halves is not above 0.
    """
    in_order = cosines.sort_values("step", kind="stable")
    grouped = in_order.groupby([*RUN_COLUMNS, *PAIR_COLUMNS, "relation"], sort=False)["cosine"]
    table = grouped.agg(cosine="mean", first="first", last="last", steps="size").reset_index()
    itself = table[table["relation"] == ITSELF]
    keys = zip(itself["run_id"], itself["first_task"], itself["first_language"], strict=True)
    halves = itself["cosine"].where(itself["cosine"] > 0)
    reliability = dict(zip(keys, 2 * halves / (1 + halves), strict=True))
    sides = [
        [reliability.get(key, nan) for key in zip(table["run_id"], table[task], table[language], strict=True)]
        for task, language in (PAIR_COLUMNS[:2], PAIR_COLUMNS[2:])
    ]
    return table.assign(ceiling=np.sqrt(np.prod(np.array(sides, dtype=float).reshape(2, -1), axis=0)))


def gradient_agreement(cosines: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean cosine and the mean cosine corrected for noise, one row per run and relation.

    Columns: those of `RUN_COLUMNS`; `relation`; `cosine` with `low` and `high`; `ceiling`, its mean; `corrected` with
    `corrected_low` and `corrected_high`; `first` and `last`, the means at the first and the last step; `n`, the number
    of pairs; `languages` and `steps`, their numbers. The 95% intervals are over languages (see `pair_interval`). The
    corrected cosine is mean cosine / mean ceiling, which varies less than the mean of the ratios.
    """
    table = over_steps(cosines)
    rows = []
    for key, group in table[table["relation"] != ITSELF].groupby([*RUN_COLUMNS, "relation"], sort=False):
        low, high = pair_interval(group, _mean_cosine)
        corrected_low, corrected_high = pair_interval(group, corrected)
        rows.append(
            group_columns([*RUN_COLUMNS, "relation"], key)
            | {"cosine": _mean_cosine(group), "low": low, "high": high, "ceiling": group["ceiling"].mean()}
            | {"corrected": corrected(group), "corrected_low": corrected_low, "corrected_high": corrected_high}
            | {"first": group["first"].mean(), "last": group["last"].mean()}
            | {"n": len(group), "languages": len({*group["first_language"], *group["second_language"]})}
            | {"steps": int(group["steps"].min())}
        )
    columns = [*RUN_COLUMNS, "relation", "cosine", "low", "high", "ceiling", "corrected", "corrected_low",
               "corrected_high", "first", "last", "n", "languages", "steps"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def corrected(rows: pd.DataFrame) -> float:
    """Returns mean cosine / mean ceiling of rows of `over_steps`; NaN where the ceiling of a row is not known."""
    ceilings = rows["ceiling"]
    return _mean_cosine(rows) / float(ceilings.mean()) if len(rows) and ceilings.notna().all() else nan


def _mean_cosine(rows: pd.DataFrame) -> float:
    return float(rows["cosine"].mean())


def pull(means: pd.DataFrame, task: str, languages: Iterable[str]) -> float:
    """Returns the mean cosine of a task's gradients in these languages with all gradients of the other tasks.

    `means` are the rows of one run from `over_steps`. The other tasks' gradients may be in any language. NaN for none.
    """
    codes = set(languages)
    involves_task = [
        (first == task and code in codes) or (second == task and other in codes)
        for first, code, second, other in means[list(PAIR_COLUMNS)].itertuples(index=False, name=None)
    ]
    between_tasks = means["first_task"] != means["second_task"]
    return _mean_cosine(means[between_tasks & np.array(involves_task, dtype=bool)])
