"""Tables of the measures of every curve, one row per estimate; the report writes them as CSV files.

The columns that identify a point of a curve are `table_columns.SERIES_COLUMNS`. Scores are in the metric's stored unit.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.display_order import language_order, natural_sort_key
from clt_ray.analysis.metrics import metric, task_order
from clt_ray.analysis.study import ENGLISH, NO_GROUP, Curve, Point, Study
from clt_ray.analysis.table_columns import (
    ESTIMATE_COLUMNS,
    SERIES_COLUMNS,
    add_q_values,
    estimate_columns,
    provenance_columns,
    series_columns,
)
from clt_ray.analysis.transfer import languages_of
from clt_ray.analysis.uncertainty import WILSON, Estimate, wilson

Row = dict[str, Any]

MEAN: Final = "mean"
"""Value of `eval_language` in rows about the mean over all languages of an exposure."""


def relative_to_english(study: Study) -> pd.DataFrame:
    """Returns the mean non-English score divided by the English score, one row per point of a curve.

    Columns: those of `SERIES_COLUMNS`, `relative_to_english` (1 means no gap to English), `ESTIMATE_COLUMNS`.
    """

    def row(curve: Curve, point: Point) -> Iterator[Row]:
        yield estimate_columns("relative_to_english", transfer.relative_to_english(study, curve, point))

    return _table(study, row, _COLUMNS["relative_to_english"])


def seen_unseen(study: Study) -> pd.DataFrame:
    """Returns the seen, unseen and English mean scores and the gap seen - unseen, one row per point of a curve.

    Columns: those of `SERIES_COLUMNS`; `seen`, `unseen`, `english` and `gap`, each with the ends of its interval in
    `<name>_low` and `<name>_high`; `n`, the number of item scores behind the gap; `method`; `run_ids`.
    """

    def row(curve: Curve, point: Point) -> Iterator[Row]:
        means = transfer.seen_unseen(study, curve, point)
        columns: Row = {}
        for name in ("seen", "unseen", "english", "gap"):
            estimate: Estimate = getattr(means, name)
            columns |= {name: estimate.estimate, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        yield columns | provenance_columns(means.gap if means.gap.n else means.english)

    return _table(study, row, _COLUMNS["seen_unseen"])


def per_language(study: Study) -> pd.DataFrame:
    """Returns the score in every evaluation language, one row per point of a curve and language.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `exposure`, `score`, `ESTIMATE_COLUMNS`. Accuracies of points
    with a single run have a Wilson interval.
    """

    def rows(curve: Curve, point: Point) -> Iterator[Row]:
        for code in sorted(transfer.languages_of(study, curve, point), key=language_order):
            estimate = score(study, curve, point, code)
            yield {"eval_language": code, "exposure": _exposure(curve, code)} | estimate_columns("score", estimate)

    return _table(study, rows, _COLUMNS["per_language"])


def gain(study: Study) -> pd.DataFrame:
    """Returns the score at n minus the score at 0, one row per point with n > 0 and language of curves with n = 0.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `exposure`, `gain`, `ESTIMATE_COLUMNS`, `p`, `q`. Rows whose
    `eval_language` is `MEAN` are about the mean over the seen or the unseen languages. `q` is adjusted for all single
    languages of the task, and separately for all means of the task.
    """

    def rows(curve: Curve, point: Point) -> Iterator[Row]:
        if curve.origin is None or point is curve.origin:
            return
        common = set(transfer.languages_of(study, curve, point))
        common &= set(transfer.languages_of(study, curve, curve.origin))
        for exposure in ("seen", "unseen"):
            if any(curve.exposure(code) == exposure for code in common):
                estimate = transfer.gain(study, curve, point.samples_per_language, exposure)
                labels = {"eval_language": MEAN, "exposure": exposure}
                yield labels | estimate_columns("gain", estimate) | {"p": estimate.p}
        for code in sorted(common, key=language_order):
            estimate = transfer.gain(study, curve, point.samples_per_language, [code])
            labels = {"eval_language": code, "exposure": curve.exposure(code)}
            yield labels | estimate_columns("gain", estimate) | {"p": estimate.p}

    table = _table(study, rows, _COLUMNS["gain"])
    with_family = table.assign(is_mean=table["eval_language"] == MEAN)
    return add_q_values(with_family, ["task", "is_mean"]).drop(columns="is_mean")


def transfer_correlation(study: Study) -> pd.DataFrame:
    """Returns the Spearman correlation between seen and unseen means over runs, one row per curve with 3 or more runs.

    Columns: `model, task, setting, language_group`; `n`, the number of runs; `spearman`, `p`, `low`, `high` (see
    `rank_correlation`); `train_languages, mixture, metric, method, run_ids`.
    """
    rows = []
    for curve in study.curves:
        correlation = transfer.transfer_correlation(study, curve)
        if correlation.n >= 3:
            labels = {
                name: getattr(curve, name)
                for name in ("model", "task", "setting", "language_group", "mixture", "metric")
            }
            joined = {"train_languages": "+".join(curve.train_languages), "run_ids": "+".join(correlation.run_ids)}
            rows.append(labels | vars(correlation) | joined)
    return pd.DataFrame(rows, columns=_COLUMNS["transfer_correlation"])


def score(study: Study, curve: Curve, point: Point, language: str) -> Estimate:
    """Returns the mean score of a point in one language, with a Wilson interval for the accuracy of a single run."""
    estimate = study.task_scores[curve.task].mean(point.run_ids, [language]).estimate()
    if metric(curve.metric).name == "accuracy" and len(point.runs) == 1:
        low, high = wilson(estimate.estimate, estimate.n)
        return Estimate(estimate.estimate, low, high, estimate.n, WILSON, estimate.run_ids)
    return estimate


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


def _table(study: Study, rows_of: Callable[[Curve, Point], Iterator[Row]], columns: list[str]) -> pd.DataFrame:
    rows = [
        series_columns(curve, point) | row
        for curve in study.curves
        for point in curve.points
        for row in rows_of(curve, point)
    ]
    return pd.DataFrame(rows, columns=columns)


def _exposure(curve: Curve, code: str) -> str:
    return curve.exposure(code) if curve.train_languages or code == ENGLISH else "non-English"


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


FIDELITY: Final = "fidelity"
"""Name of the metric in the scores file."""


def fidelity(scores: pd.DataFrame) -> pd.DataFrame:
    """Returns the language fidelity with its Wilson interval, one row per run, task and evaluation language.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `fidelity` (from 0 to 1), `ESTIMATE_COLUMNS`. Without scores of
    the metric the table is empty.
    """
    columns = [*SERIES_COLUMNS, "eval_language", "fidelity", *ESTIMATE_COLUMNS]
    rows = scores[scores["metric"] == FIDELITY]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    mixtures = scores.groupby("run_id")["task"].agg(lambda tasks: "+".join(sorted(set(tasks), key=task_order)))
    ends = [wilson(float(share), int(n)) for share, n in zip(rows["score"], rows["n_items"], strict=True)]
    table = rows.assign(
        mixture=rows["run_id"].map(mixtures), fidelity=rows["score"], low=[low for low, _ in ends],
        high=[high for _, high in ends], n=rows["n_items"], method=WILSON, run_ids=rows["run_id"],
        seed=rows["seed"].astype(str),
    )  # fmt: skip
    records = table.to_dict("records")
    order = sorted(range(len(records)), key=lambda index: _reading_order(records[index]))
    return table.iloc[order][columns].reset_index(drop=True)


def _reading_order(row: Mapping[Hashable, Any]) -> tuple[object, ...]:
    group, languages = row["language_group"], language_order(row["eval_language"])
    model = natural_sort_key(row["model"]), row["setting"] != "single"
    return task_order(row["task"]), model, group != NO_GROUP, group, row["samples_per_language"], row["seed"], languages
