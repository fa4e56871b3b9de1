"""From which training language to which evaluation language: the matrix of runs that train on one language each."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.display_order import language_order
from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.study import ENGLISH, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, estimate_columns, series_columns

DIRECT: Final = "direct"
TRANSFER: Final = "transfer"


def source_to_target(study: Study) -> pd.DataFrame:
    """Gain over n = 0 per source (the one language added to English) and target; `route` is `direct` on the diagonal.

    Only curves whose group is a single language have a source, so a grid of monolingual groups is needed; without any
    the frame is empty.
    """
    rows: list[dict[str, Any]] = []
    for curve in study.curves:
        if len(curve.train_languages) != 1 or curve.train_languages == (ENGLISH,) or curve.origin is None:
            continue
        (source,) = curve.train_languages
        for point in curve.points[1:]:
            both = set(transfer.languages_of(study, curve, point))
            both &= set(transfer.languages_of(study, curve, curve.origin))
            for target in sorted(both, key=language_order):
                found = transfer.gain(study, curve, point.samples_per_language, [target])
                route = DIRECT if target == source else TRANSFER
                about = {"source": source, "target": target, "route": route}
                rows.append(series_columns(curve, point) | about | estimate_columns("gain", found) | {"p": found.p})
    columns = [*SERIES_COLUMNS, "source", "target", "route", "gain", *ESTIMATE_COLUMNS, "p"]
    return add_q_values(pd.DataFrame(rows, columns=columns), ["task"])
