"""The gap between seen and unseen languages with each language left out: whether a single language causes the gap."""

from typing import Any

import pandas as pd

from clt_ray.analysis.study import Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns
from clt_ray.analysis.transfer import languages_of


def leave_one_out(study: Study) -> pd.DataFrame:
    """Returns the gap seen - unseen without one language, one row per point of a curve and language left out.

    Columns: those of `SERIES_COLUMNS`; `left_out`; `exposure` of the language left out; `gap` over the other languages
    in the metric's stored unit, with `ESTIMATE_COLUMNS`; `change`, this gap minus the gap over all languages, with
    `change_low` and `change_high`. There is no row where the seen or the unseen languages would be empty.
    """
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        task_scores = study.task_scores[curve.task]
        for point in curve.points if curve.train_languages else ():
            exposures = {code: curve.exposure(code) for code in languages_of(study, curve, point)}
            seen, unseen = ([code for code in exposures if exposures[code] == side] for side in ("seen", "unseen"))
            if not seen or not unseen:
                continue
            full_gap = task_scores.mean(point.run_ids, seen) - task_scores.mean(point.run_ids, unseen)
            for left_out in (*seen, *unseen):
                other_seen, other_unseen = ([code for code in side if code != left_out] for side in (seen, unseen))
                if other_seen and other_unseen:
                    gap = task_scores.mean(point.run_ids, other_seen) - task_scores.mean(point.run_ids, other_unseen)
                    change = (gap - full_gap).estimate()
                    labels = {"left_out": left_out, "exposure": exposures[left_out]}
                    changes = {"change": change.estimate, "change_low": change.low, "change_high": change.high}
                    columns = labels | estimate_columns("gap", gap.estimate()) | changes
                    rows.append(series_columns(curve, point) | columns)
    columns_in_order = [*SERIES_COLUMNS, "left_out", "exposure", "gap", *ESTIMATE_COLUMNS]
    return pd.DataFrame(rows, columns=[*columns_in_order, "change", "change_low", "change_high"])
