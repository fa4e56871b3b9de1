"""Language fidelity: the share of outputs that are in the language of the prompt."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.display_order import language_order, natural_sort_key
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.study import NO_GROUP
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS
from clt_ray.analysis.uncertainty import WILSON, wilson

METRIC: Final = "fidelity"
"""Name of the metric in the scores file."""


def fidelity(scores: pd.DataFrame) -> pd.DataFrame:
    """Returns the language fidelity with its Wilson interval, one row per run, task and evaluation language.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `fidelity` (from 0 to 1), `ESTIMATE_COLUMNS`. Without scores of
    the metric the table is empty.
    """
    columns = [*SERIES_COLUMNS, "eval_language", "fidelity", *ESTIMATE_COLUMNS]
    rows = scores[scores["metric"] == METRIC]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    mixtures = scores.groupby("run_id")["task"].agg(lambda tasks: "+".join(sorted(set(tasks), key=task_order)))
    ends = [wilson(float(share), int(n)) for share, n in zip(rows["score"], rows["n_items"], strict=True)]
    table = rows.assign(
        mixture=rows["run_id"].map(mixtures),
        fidelity=rows["score"],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
        n=rows["n_items"],
        method=WILSON,
        run_ids=rows["run_id"],
        seed=rows["seed"].astype(str),
    )
    records = table.to_dict("records")
    order = sorted(range(len(records)), key=lambda index: _reading_order(records[index]))
    return table.iloc[order][columns].reset_index(drop=True)


def _reading_order(row: Mapping[Hashable, Any]) -> tuple[object, ...]:
    return (
        task_order(row["task"]),
        natural_sort_key(row["model"]),
        row["setting"] != "single",
        row["language_group"] != NO_GROUP,
        row["language_group"],
        row["samples_per_language"],
        row["seed"],
        language_order(row["eval_language"]),
    )
