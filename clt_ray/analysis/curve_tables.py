"""The measures of every curve as frames, one row per estimate; the report writes them as CSV files.

Series columns are those of `rows.SERIES_COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.display_order import language_order
from clt_ray.analysis.false_discovery import add_q_values
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.study import ENGLISH, Curve, Point, Study
from clt_ray.analysis.table_columns import (
    ESTIMATE_COLUMNS,
    SERIES_COLUMNS,
    estimate_columns,
    series_columns,
    support_columns,
)
from clt_ray.analysis.uncertainty import WILSON, Estimate, wilson

Row = dict[str, Any]

MEAN: Final = "mean"
"""What `eval_language` holds in rows about the mean over all languages of an exposure."""


def relative_to_english(study: Study) -> pd.DataFrame:
    """Per curve and n: mean non-English score / English score."""

    def row(curve: Curve, point: Point) -> Iterator[Row]:
        yield estimate_columns("relative_to_english", transfer.relative_to_english(study, curve, point))

    return _table(study, row, _COLUMNS["relative_to_english"])


def seen_unseen(study: Study) -> pd.DataFrame:
    """Per curve and n: mean score in seen and in unseen languages, in English, and the gap seen - unseen.

    `n` counts the item scores behind the gap.
    """

    def row(curve: Curve, point: Point) -> Iterator[Row]:
        means = transfer.seen_unseen(study, curve, point)
        whole: Row = {}
        for name in ("seen", "unseen", "english", "gap"):
            found: Estimate = getattr(means, name)
            whole |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
        behind = means.gap if means.gap.n else means.english
        yield whole | support_columns(behind)

    return _table(study, row, _COLUMNS["seen_unseen"])


def per_language(study: Study) -> pd.DataFrame:
    """Per curve, n and evaluation language: the score; accuracies of single runs with their Wilson interval."""

    def rows(curve: Curve, point: Point) -> Iterator[Row]:
        for code in sorted(transfer.languages_of(study, curve, point), key=language_order):
            found = score(study, curve, point, code)
            yield {"eval_language": code, "exposure": _exposure(curve, code)} | estimate_columns("score", found)

    return _table(study, rows, _COLUMNS["per_language"])


def gain(study: Study) -> pd.DataFrame:
    """Per curve with an n = 0 run, n > 0 and language: score(n) - score(0); also means over seen and over unseen.

    `q` is corrected for all single languages of the task, and for all means of it.
    """

    def rows(curve: Curve, point: Point) -> Iterator[Row]:
        if curve.origin is None or point is curve.origin:
            return
        both = set(transfer.languages_of(study, curve, point)) & set(transfer.languages_of(study, curve, curve.origin))
        for kind in ("seen", "unseen"):
            if any(curve.exposure(code) == kind for code in both):
                found = transfer.gain(study, curve, point.samples_per_language, kind)
                yield {"eval_language": MEAN, "exposure": kind} | estimate_columns("gain", found) | {"p": found.p}
        for code in sorted(both, key=language_order):
            found = transfer.gain(study, curve, point.samples_per_language, [code])
            about = {"eval_language": code, "exposure": curve.exposure(code)}
            yield about | estimate_columns("gain", found) | {"p": found.p}

    table = _table(study, rows, _COLUMNS["gain"])
    family = table.assign(is_mean=table["eval_language"] == MEAN)
    return add_q_values(family, ["task", "is_mean"]).drop(columns="is_mean")


def transfer_correlation(study: Study) -> pd.DataFrame:
    """Per curve: Spearman correlation between seen and unseen over its runs; `n` counts runs."""
    rows = []
    for curve in study.curves:
        found = transfer.transfer_correlation(study, curve)
        if found.n >= 3:
            rows.append(
                {
                    "model": curve.model,
                    "task": curve.task,
                    "setting": curve.setting,
                    "language_group": curve.language_group,
                    "n": found.n,
                    "spearman": found.spearman,
                    "p": found.p,
                    "low": found.low,
                    "high": found.high,
                    "train_languages": "+".join(curve.train_languages),
                    "mixture": curve.mixture,
                    "metric": curve.metric,
                    "method": found.method,
                    "run_ids": "+".join(found.run_ids),
                }
            )
    return pd.DataFrame(rows, columns=_COLUMNS["transfer_correlation"])


def score(study: Study, curve: Curve, point: Point, language: str) -> Estimate:
    """Score of a point in one language."""
    cells = study.task_scores[curve.task]
    found = cells.mean(point.run_ids, [language]).estimate()
    if metric(curve.metric).name == "accuracy" and len(point.runs) == 1:
        low, high = wilson(found.estimate, found.n)
        return Estimate(found.estimate, low, high, found.n, WILSON, found.run_ids)
    return found


_COLUMNS: Final = {
    "relative_to_english": [*SERIES_COLUMNS, "relative_to_english", *ESTIMATE_COLUMNS],
    "seen_unseen": [
        *SERIES_COLUMNS,
        *(f"{name}{end}" for name in ("seen", "unseen", "english", "gap") for end in ("", "_low", "_high")),
        "n", "method", "run_ids",
    ],
    "per_language": [*SERIES_COLUMNS, "eval_language", "exposure", "score", *ESTIMATE_COLUMNS],
    "gain": [*SERIES_COLUMNS, "eval_language", "exposure", "gain", *ESTIMATE_COLUMNS, "p"],
    "transfer_correlation": [
        "model", "task", "setting", "language_group", "n", "spearman", "p", "low", "high", "train_languages",
        "mixture", "metric", "method", "run_ids",
    ],
}  # fmt: skip


def _table(study: Study, rows: Callable[[Curve, Point], Iterator[Row]], columns: list[str]) -> pd.DataFrame:
    found = [
        series_columns(curve, point) | row
        for curve in study.curves
        for point in curve.points
        for row in rows(curve, point)
    ]
    return pd.DataFrame(found, columns=columns)


def _exposure(curve: Curve, code: str) -> str:
    """As `Curve.exposure`, but a curve that trained in English only has no seen and unseen."""
    return curve.exposure(code) if curve.train_languages or code == ENGLISH else "non-English"
