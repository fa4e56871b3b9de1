"""Tables of the measures of every curve, one row per estimate; the report writes them as CSV files.

The columns that identify a point of a curve are `table_columns.SERIES_COLUMNS`. Scores are in the metric's stored unit.
"""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from math import isnan
from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.labels import language_order, natural_sort_key
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.rank_correlation import FISHER, MIN_PAIRS
from clt_ray.analysis.study import ENGLISH, NO_GROUP, NON_ENGLISH, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, curve_columns, estimate_row, estimate_table
from clt_ray.analysis.uncertainty import NO_INTERVAL, WILSON, wilson

MEAN: Final = "mean"
"""Value of `eval_language` in rows about the mean over all languages of an exposure."""


def relative_to_english(study: Study) -> pd.DataFrame:
    """Returns the mean non-English score divided by the English score, one row per point of a curve.

    Columns: those of `SERIES_COLUMNS`, `relative_to_english` (1 means no gap to English), `ESTIMATE_COLUMNS`.
    """
    name = "relative_to_english"
    ratios = ((curve, point, transfer.relative_to_english(study, curve, point)) for curve, point in study.points())
    return estimate_table([estimate_row(curve, point, name, ratio) for curve, point, ratio in ratios], name)


def seen_unseen(study: Study) -> pd.DataFrame:
    """Returns the seen, unseen and English mean scores and the gap seen - unseen, one row per point of a curve.

    Columns: those of `SERIES_COLUMNS`; `seen`, `unseen`, `english` and `gap`, each with the ends of its interval in
    `<name>_low` and `<name>_high`; `n`, the number of item scores behind the gap; `method`; `run_ids`.
    """
    rows: list[dict[str, Any]] = []
    for curve, point in study.points():
        means = transfer.seen_unseen(study, curve, point)
        row = estimate_row(curve, point, "gap", means["gap" if means["gap"].n else "english"])
        for name, mean in means.items():
            row |= {name: mean.estimate, f"{name}_low": mean.low, f"{name}_high": mean.high}
        rows.append(row)
    estimates = [f"{name}{end}" for name in ("seen", "unseen", "english", "gap") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*SERIES_COLUMNS, *estimates, "n", "method", "run_ids"])


def per_language(study: Study) -> pd.DataFrame:
    """Returns the score in every evaluation language, one row per point of a curve and language.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `exposure`, `score`, `ESTIMATE_COLUMNS`. Accuracies of points
    with a single run have a Wilson interval.
    """
    rows = []
    for curve, point in study.points():
        for code in sorted(study.languages(curve, point), key=language_order):
            exposure = curve.exposure(code) if curve.train_languages or code == ENGLISH else NON_ENGLISH
            estimate = study.mean(curve, point, [code]).estimate()
            if curve.metric == "accuracy" and len(point.runs) == 1:
                low, high = wilson(estimate.estimate, estimate.n)
                estimate = replace(estimate, low=low, high=high, method=WILSON)
            rows.append(estimate_row(curve, point, "score", estimate, eval_language=code, exposure=exposure))
    return estimate_table(rows, "eval_language", "exposure", "score")


def gain(study: Study) -> pd.DataFrame:
    """Returns the score at n minus the score at 0, one row per point with n > 0 and language of curves with n = 0.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `exposure`, `gain`, `ESTIMATE_COLUMNS`, `p`, `q`. Rows whose
    `eval_language` is `MEAN` are about the mean over the seen or the unseen languages. `q` is adjusted for all single
    languages of the task, and separately for all means of the task.
    """
    rows = []
    for curve, point in study.points():
        if curve.origin is None or point is curve.origin:
            continue
        codes = sorted(study.languages(curve, point, curve.origin), key=language_order)
        exposures = {code: curve.exposure(code) for code in codes}
        means = [(MEAN, exposure, exposure) for exposure in ("seen", "unseen") if exposure in exposures.values()]
        for name, exposure, languages in (*means, *((code, exposures[code], [code]) for code in codes)):
            estimate = transfer.gain(study, curve, point.samples_per_language, languages)
            labels = {"eval_language": name, "exposure": exposure, "is_mean": name == MEAN}
            rows.append(estimate_row(curve, point, "gain", estimate, **labels))
    columns = ("eval_language", "exposure", "is_mean", "gain")
    return estimate_table(rows, *columns, family=["task", "is_mean"]).drop(columns="is_mean")


def transfer_correlation(study: Study) -> pd.DataFrame:
    """Returns the Spearman correlation between seen and unseen means over runs, one row per curve with 3 or more runs.

    Columns: `model, task, setting, language_group`; `n`, the number of runs; `spearman`, `p`, `low`, `high` (see
    `rank_correlation`); `train_languages, mixture, metric, method, run_ids`.
    """
    correlations = [(curve, transfer.transfer_correlation(study, curve)) for curve in study.curves]
    rows = [
        curve_columns(curve) | vars(correlation) | {"run_ids": "+".join(run_ids)}
        | {"method": NO_INTERVAL if isnan(correlation.spearman) else FISHER}
        for curve, (correlation, run_ids) in correlations if correlation.n >= MIN_PAIRS
    ]  # fmt: skip
    columns = ["model", "task", "setting", "language_group", "n", "spearman", "p", "low", "high", "train_languages",
               "mixture", "metric", "method", "run_ids"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def leave_one_out(study: Study) -> pd.DataFrame:
    """Returns the gap seen - unseen without one language, one row per point of a curve and language left out.

    Columns: those of `SERIES_COLUMNS`; `left_out`; `exposure` of the language left out; `gap` over the other languages
    in the metric's stored unit, with `ESTIMATE_COLUMNS`; `change`, this gap minus the gap over all languages, with
    `change_low` and `change_high`. There is no row where the seen or the unseen languages would be empty.
    """
    rows: list[dict[str, Any]] = []
    for curve, point in study.points():
        seen, unseen = (study.languages(curve, point, among=side) for side in ("seen", "unseen"))
        if not curve.train_languages or not seen or not unseen:
            continue
        full_gap = study.mean(curve, point, seen) - study.mean(curve, point, unseen)
        for left_out in (*seen, *unseen):
            other_seen, other_unseen = ([code for code in side if code != left_out] for side in (seen, unseen))
            if other_seen and other_unseen:
                gap = study.mean(curve, point, other_seen) - study.mean(curve, point, other_unseen)
                change = (gap - full_gap).estimate()
                labels = {"left_out": left_out, "exposure": curve.exposure(left_out)}
                changes = {"change": change.estimate, "change_low": change.low, "change_high": change.high}
                rows.append(estimate_row(curve, point, "gap", gap.estimate(), **labels) | changes)
    columns = [*SERIES_COLUMNS, "left_out", "exposure", "gap", *ESTIMATE_COLUMNS, "change", "change_low", "change_high"]
    return pd.DataFrame(rows, columns=columns)


DIRECT: Final = "direct"
"""Value of `route` where source and target are the same language."""
TRANSFER: Final = "transfer"
"""Value of `route` where source and target differ."""


def source_to_target(study: Study) -> pd.DataFrame:
    """Returns the gain over n = 0 per source and target language, one row per curve, n > 0 and target.

    Columns: those of `SERIES_COLUMNS`, `source`, `target`, `route` (`DIRECT` or `TRANSFER`), `gain` in the metric's
    stored unit, `ESTIMATE_COLUMNS`, `p`, `q`. Only curves with a single non-English training language are in the table.
    """
    rows = []
    for curve, point in study.points():
        if len(curve.train_languages) != 1 or curve.is_control or curve.origin is None or point is curve.origin:
            continue
        (source,) = curve.train_languages
        for target in sorted(study.languages(curve, point, curve.origin), key=language_order):
            estimate = transfer.gain(study, curve, point.samples_per_language, [target])
            labels = {"source": source, "target": target, "route": DIRECT if target == source else TRANSFER}
            rows.append(estimate_row(curve, point, "gain", estimate, **labels))
    return estimate_table(rows, "source", "target", "route", "gain", family=["task"])


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the largest n that most training languages have, so that they are compared at one n."""
    sources_per_n = rows.groupby("samples_per_language")["source"].nunique()
    largest = int(sources_per_n.index[sources_per_n == sources_per_n.max()].max())
    return rows[rows["samples_per_language"] == largest]


FIDELITY: Final = "fidelity"
"""Name of the metric in the scores file."""


def fidelity(scores: pd.DataFrame) -> pd.DataFrame:
    """Returns the language fidelity with its Wilson interval, one row per run, task and evaluation language.

    Columns: those of `SERIES_COLUMNS`, `eval_language`, `fidelity` (0 to 1), `ESTIMATE_COLUMNS`. No scores, no rows.
    """
    columns = [*SERIES_COLUMNS, "eval_language", "fidelity", *ESTIMATE_COLUMNS]
    rows = scores[scores["metric"] == FIDELITY]
    mixtures = scores.groupby("run_id")["task"].agg(lambda tasks: "+".join(sorted(set(tasks), key=task_order)))
    ends = [wilson(float(share), int(n)) for share, n in zip(rows["score"], rows["n_items"], strict=True)]
    table = rows.assign(
        mixture=rows["run_id"].map(mixtures), fidelity=rows["score"], low=[low for low, _ in ends],
        high=[high for _, high in ends], n=rows["n_items"], method=WILSON, run_ids=rows["run_id"],
        seed=rows["seed"].astype(str),
    )  # fmt: skip
    records: list[dict[Any, Any]] = sorted(table.to_dict("records"), key=lambda row: _reading_order(row))
    return pd.DataFrame(records, columns=columns)


def _reading_order(row: Mapping[Hashable, Any]) -> tuple[object, ...]:
    group, languages = row["language_group"], language_order(row["eval_language"])
    model = natural_sort_key(row["model"]), row["setting"] != "single"
    return task_order(row["task"]), model, group != NO_GROUP, group, row["samples_per_language"], row["seed"], languages
