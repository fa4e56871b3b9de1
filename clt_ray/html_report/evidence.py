"""The facts that the findings are based on, and their limitations; both are computed from the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.display_order import natural_sort_key
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.study import ENGLISH, Study
from clt_ray.analysis.tables import MEAN
from clt_ray.analysis.uncertainty import BOOTSTRAP, NO_INTERVAL, NORMAL
from clt_ray.html_report.text import counted, enumerated, language_names, percent

_FEW_ITEMS: Final = 200
"""With fewer test items per language, the uncertainty of single languages is pointed out."""
_FEW_RUNS: Final = 6
"""With fewer runs per curve, the uncertainty of rank correlations is pointed out."""
_METHODS: Final = {
    BOOTSTRAP: "paired bootstrap over test items (both runs of a difference are evaluated on the same resampled items)",
    NORMAL: "normal approximation from standard errors, with runs treated as independent",
    NO_INTERVAL: "none where neither item scores nor standard errors are available",
}
"""Method of an interval as the tables name it -> its description."""


def evidence(study: Study, gains: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Returns the facts that the findings are based on, as pairs of name and text.

    Args:
        study: The scores of the tasks' primary metrics.
        gains: From `tables.gain`.
        runs: Planned runs, see `build.ReportData.runs`.
    """
    scores = study.scores
    seeds = sorted(scores["seed"].unique())
    trained = sorted({code for curve in study.curves for code in curve.train_languages})
    unseen = sorted(set(scores["eval_language"]) - {ENGLISH, *trained})
    items = scores.groupby("task", sort=False)["n_items"].agg(["min", "max"]).loc[list(study.tasks)]
    evaluation = [
        f"{task_label(task)}: {study.task_scores[task].metric.label}, "
        f"{low if low == high else f'{low} to {high}'} items per language"
        for task, low, high in items.itertuples()
    ]
    facts = [
        ("Runs", _runs_text(scores["run_id"].nunique(), runs)),
        ("Models", enumerated(sorted(scores["model"].unique(), key=natural_sort_key))),
        ("Seeds", f"{len(seeds)} ({', '.join(str(seed) for seed in seeds)})"),
        ("Training languages", f"English in every run; {language_names(trained)}" if trained else "English only"),
        ("Unseen languages", language_names(unseen)),
        ("Evaluation", "; ".join(evaluation)),
        ("95% intervals", _methods_text(gains)),
    ]
    return [(name, text) for name, text in facts if text]


def limits(study: Study, gains: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what a reader must not conclude, most important first; the arguments are those of `evidence`."""
    return [
        *_of_runs(study.scores, runs),
        *_of_intervals(gains),
        *_of_metrics(study.scores),
        "A larger number of samples per language is also more training data. Attributing a gain to the languages "
        "rather than to the volume requires control runs with as many additional English samples.",
        "Unseen means absent from this fine-tuning; the model may have seen these languages in pretraining.",
        *_of_correlations(study),
    ]


def _of_runs(scores: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    missing = sum(run.get("state") != "finished" for run in runs)
    if missing:
        are = "is" if missing == 1 else "are"
        yield (
            f"{counted(missing, 'run')} of the sweep did not finish and {are} excluded from all numbers; the table of "
            "runs lists the state and the error of each."
        )
    if "tiny" in set(scores["model"]):
        yield (
            "The model is the bundled tiny model, and the text is generated: the numbers show that the method works, "
            "not how far languages transfer in models of practical size."
        )
    cells = scores.drop_duplicates("run_id").groupby(["model", "setting", "language_group", "samples_per_language"])
    if cells["seed"].nunique().max() == 1:
        yield (
            "Every run was trained with one seed. Training the same run again would give different scores. Unless a "
            "table states otherwise, the intervals cover the sampling of test items but not this run-to-run noise."
        )


def _of_intervals(gains: pd.DataFrame) -> Iterator[str]:
    bare = gains[(gains["method"] == NO_INTERVAL) & (gains["eval_language"] == MEAN)]
    if len(bare):
        tasks = enumerated([task_label(task).lower() for task in bare["task"].unique()])
        yield (
            f"For {tasks}, neither item scores nor standard errors are available, so differences are shown without "
            "intervals; small differences may be chance."
        )
    bounded = gains[(gains["eval_language"] != MEAN) & gains["low"].notna()]
    if len(bounded):
        unclear = ((bounded["low"] <= 0) & (bounded["high"] >= 0)).mean()
        yield (
            f"Of the {counted(len(bounded), 'gain')} in single languages with an interval, {percent(unclear)} have an "
            "interval that includes zero. The intervals are not corrected for multiple comparisons."
        )


def _of_metrics(scores: pd.DataFrame) -> Iterator[str]:
    if "reference_chrf" in set(scores["metric"]):
        yield (
            "Instruction following is scored by the character overlap with a reference answer (chrF), not by a judge: "
            "this rewards wording close to the reference."
        )
    few = scores.loc[scores["n_items"] < _FEW_ITEMS, "n_items"]
    if len(few):
        half_width = 1.96 * sqrt(0.25 / few.min())
        yield (
            f"With {few.min()} test items per language, the 95% interval of an accuracy near 50% in a single language "
            f"is about ±{half_width * 100:.0f} points. Differences in single languages are hints, not findings."
        )


def _of_correlations(study: Study) -> Iterator[str]:
    if max(sum(len(point.runs) for point in curve.points) for curve in study.curves) < _FEW_RUNS:
        yield "A rank correlation over so few runs is compatible with almost any true correlation."


def _runs_text(scored: int, runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return f"{counted(scored, 'run')} with scores"
    states = pd.Series([str(run.get("state", "")) for run in runs]).value_counts()
    parts = [f"{states.get('finished', 0)} of {counted(len(runs), 'run')} finished"]
    parts += [f"{count} {state}" for state, count in states.items() if state != "finished"]
    return ", ".join(parts)


def _methods_text(gains: pd.DataFrame) -> str:
    used = [text for name, text in _METHODS.items() if gains["method"].str.contains(name, regex=False).any()]
    return "; ".join(used) if used else "none: no run can be compared with an English-only run"
