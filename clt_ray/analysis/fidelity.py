"""Whether outputs are in the language they should be in, per run and language."""

from __future__ import annotations

from typing import Final

import pandas as pd

from clt_ray.analysis.display_order import language_order, natural_sort_key
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.study import NO_GROUP
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS
from clt_ray.analysis.uncertainty import WILSON, wilson

METRIC: Final = "fidelity"
"""What a pass rate of language fidelity is called in the scores file."""


def fidelity(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of outputs that pass, with its Wilson interval, one row per run, task and language.

    Args:
        scores: From `frames.load_scores`; those without the metric give no rows.
    """
    columns = [*SERIES_COLUMNS, "eval_language", "fidelity", *ESTIMATE_COLUMNS]
    rows = scores[scores["metric"] == METRIC]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    mixtures = scores.groupby("run_id")["task"].agg(lambda tasks: "+".join(sorted(set(tasks), key=task_order)))
    ends = [wilson(float(share), int(n)) for share, n in zip(rows["score"], rows["n_items"], strict=True)]
    found = rows.assign(
        mixture=rows["run_id"].map(mixtures),
        fidelity=rows["score"],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
        n=rows["n_items"],
        method=WILSON,
        run_ids=rows["run_id"],
        seed=rows["seed"].astype(str),
    )
    order = sorted(
        range(len(found)),
        key=lambda place: (
            task_order(found["task"].iloc[place]),
            natural_sort_key(found["model"].iloc[place]),
            found["setting"].iloc[place] != "single",
            found["language_group"].iloc[place] != NO_GROUP,
            found["language_group"].iloc[place],
            found["samples_per_language"].iloc[place],
            found["seed"].iloc[place],
            language_order(found["eval_language"].iloc[place]),
        ),
    )
    return found.iloc[order][columns].reset_index(drop=True)
