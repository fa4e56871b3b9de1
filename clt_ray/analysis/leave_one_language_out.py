"""Seen and unseen with each language left out: whether one language carries the gap."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clt_ray.analysis.study import Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns
from clt_ray.analysis.transfer import languages_of


def leave_one_out(study: Study) -> pd.DataFrame:
    """Per curve, n and language left out: the gap seen - unseen over the others; `change` is against the gap over all.

    Rows where one side would be empty are left out.
    """
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        cells = study.task_scores[curve.task]
        for point in curve.points if curve.train_languages else ():
            kinds = {code: curve.exposure(code) for code in languages_of(study, curve, point)}
            sides = {kind: [code for code in kinds if kinds[code] == kind] for kind in ("seen", "unseen")}
            if not all(sides.values()):
                continue
            whole = cells.mean(point.run_ids, sides["seen"]) - cells.mean(point.run_ids, sides["unseen"])
            for left in (*sides["seen"], *sides["unseen"]):
                rest = {kind: [code for code in codes if code != left] for kind, codes in sides.items()}
                if all(rest.values()):
                    gap = cells.mean(point.run_ids, rest["seen"]) - cells.mean(point.run_ids, rest["unseen"])
                    change = (gap - whole).estimate()
                    about = {"left_out": left, "exposure": kinds[left]}
                    changed = {"change": change.estimate, "change_low": change.low, "change_high": change.high}
                    rows.append(
                        series_columns(curve, point) | about | estimate_columns("gap", gap.estimate()) | changed
                    )
    columns = [*SERIES_COLUMNS, "left_out", "exposure", "gap", *ESTIMATE_COLUMNS, "change", "change_low", "change_high"]
    return pd.DataFrame(rows, columns=columns)
