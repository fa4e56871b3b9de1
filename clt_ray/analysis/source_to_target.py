"""Gains by training language (source) and evaluation language (target), from runs that add one language to English."""

from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.display_order import language_order
from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.study import ENGLISH, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns

DIRECT: Final = "direct"
"""Value of `route` where source and target are the same language."""
TRANSFER: Final = "transfer"
"""Value of `route` where source and target differ."""


def source_to_target(study: Study) -> pd.DataFrame:
    """Returns the gain over n = 0 per source and target language, one row per curve, n > 0 and target.

    Columns: those of `SERIES_COLUMNS`, `source`, `target`, `route` (`DIRECT` or `TRANSFER`), `gain` in the metric's
    stored unit, `ESTIMATE_COLUMNS`, `p`, `q`. Only curves with a single non-English training language have a source.
    Without such curves the table is empty.
    """
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        if len(curve.train_languages) != 1 or curve.train_languages == (ENGLISH,) or curve.origin is None:
            continue
        (source,) = curve.train_languages
        for point in curve.points[1:]:
            common = set(transfer.languages_of(study, curve, point))
            common &= set(transfer.languages_of(study, curve, curve.origin))
            for target in sorted(common, key=language_order):
                gain = transfer.gain(study, curve, point.samples_per_language, [target])
                labels = {"source": source, "target": target, "route": DIRECT if target == source else TRANSFER}
                rows.append(series_columns(curve, point) | labels | estimate_columns("gain", gain) | {"p": gain.p})
    columns = [*SERIES_COLUMNS, "source", "target", "route", "gain", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task"])


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the largest n that most training languages have, so that they are compared at one n."""
    sources_per_n = rows.groupby("samples_per_language")["source"].nunique()
    largest = int(sources_per_n.index[sources_per_n == sources_per_n.max()].max())
    return rows[rows["samples_per_language"] == largest]
