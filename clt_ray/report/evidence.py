"""What the findings rest on, and what they cannot say; both read off the scores, not written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.display_order import natural_sort_key
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.study import ENGLISH, Study
from clt_ray.analysis.tables import MEAN
from clt_ray.analysis.uncertainty import BOOTSTRAP, NO_INTERVAL, NORMAL
from clt_ray.report.text import counted, enumerated, language_names, percent

_FEW_ITEMS: Final = 200
_FEW_RUNS: Final = 6


def evidence(study: Study, gains: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Facts as (name, text) pairs."""
    scores = study.scores
    seeds = sorted(scores["seed"].unique())
    trained = {code for curve in study.curves for code in curve.train_languages}
    evaluated = set(scores["eval_language"])
    items = scores.groupby("task", sort=False)["n_items"].agg(["min", "max"])
    facts = [
        ("Runs", _runs_text(scores["run_id"].nunique(), runs)),
        ("Models", enumerated(sorted(scores["model"].unique(), key=natural_sort_key))),
        ("Seeds", f"{len(seeds)} ({', '.join(str(seed) for seed in seeds)})"),
        ("Trained on", f"English everywhere; {language_names(sorted(trained))}" if trained else "English only"),
    ]
    if evaluated - trained - {ENGLISH}:
        facts.append(("Never trained on", language_names(sorted(evaluated - trained - {ENGLISH}))))
    facts += [
        ("Measured", "; ".join(f"{task_label(task)}: {_items_text(task, low, high, study)}"
                               for task, low, high in items.loc[list(study.tasks)].itertuples())),
        ("Intervals", f"95%, {_methods_text(gains)}"),
    ]  # fmt: skip
    return facts


def limits(study: Study, gains: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must not conclude, the most important first."""
    scores = study.scores
    found = []
    missing = [run for run in runs if run.get("state") != "finished"]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        found.append(f"{counted(len(missing), 'run')} of the sweep did not finish and {are} left out of all numbers; "
                     "the table of runs says which and why.")  # fmt: skip
    if "tiny" in set(scores["model"]):
        found.append("The model is the bundled tiny one on generated text: its numbers show that the method works, "
                     "not how far languages transfer in models that people use.")  # fmt: skip
    series = scores.drop_duplicates("run_id").groupby(["model", "setting", "language_group", "samples_per_language"])[
        "seed"
    ]
    if series.nunique().max() == 1:
        found.append("Every run was trained with one seed. Training the same run again would give other numbers; the "
                     "intervals cover the choice of test items, not that.")  # fmt: skip
    found += _about_intervals(gains)
    if "reference_chrf" in set(scores["metric"]):
        found.append("Instruction following is scored by overlap with a reference answer (chrF), not by a judge: it "
                     "rewards wording near the reference.")  # fmt: skip
    few = scores.loc[scores["n_items"] < _FEW_ITEMS, "n_items"]
    if len(few):
        half = 1.96 * sqrt(0.25 / few.min())
        found.append(f"With {few.min()} test items per language, one language's accuracy near one half is uncertain by "
                     f"about ±{half * 100:.0f} points; read single languages as a hint.")  # fmt: skip
    found.append("More samples per language is also more training data. That languages and not volume made the "
                 "difference needs runs with as many extra English samples.")  # fmt: skip
    found.append("Unseen means unseen in this fine-tuning; pretraining may have shown the model these languages.")
    if max(sum(len(point.runs) for point in curve.points) for curve in study.curves) < _FEW_RUNS:
        found.append("A rank correlation over so few runs is compatible with almost any true one.")
    return found


def _runs_text(scored: int, runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return f"{counted(scored, 'run')} with scores"
    states = pd.Series([str(run.get("state", "")) for run in runs]).value_counts()
    told = [f"{states.get('finished', 0)} of {counted(len(runs), 'run')} finished"]
    told += [f"{count} {state}" for state, count in states.items() if state != "finished"]
    return ", ".join(told)


def _items_text(task: str, low: int, high: int, study: Study) -> str:
    span = f"{low}" if low == high else f"{low} to {high}"
    return f"{study.task_scores[task].metric.label}, {span} items per language"


def _methods_text(gains: pd.DataFrame) -> str:
    explained = {
        BOOTSTRAP: "paired item bootstrap (both runs of a difference are judged on the same resampled items)",
        NORMAL: "normal approximation from standard errors, runs taken as independent",
        NO_INTERVAL: "none where neither item scores nor standard errors are known",
    }
    methods = [text for name, text in explained.items() if gains["method"].str.contains(name, regex=False).any()]
    return "; ".join(methods) if methods else "none: no run can be compared with an English-only one"


def _about_intervals(gains: pd.DataFrame) -> list[str]:
    bare = gains[(gains["method"] == NO_INTERVAL) & (gains["eval_language"] == MEAN)]
    told = []
    if len(bare):
        tasks = enumerated([task_label(task).lower() for task in bare["task"].unique()])
        told.append(f"For {tasks} no item scores or standard errors are known, so differences come without an "
                    "interval; small ones may be chance.")  # fmt: skip
    bounded = gains[(gains["eval_language"] != MEAN) & gains["low"].notna()]
    if len(bounded):
        unclear = ((bounded["low"] <= 0) & (bounded["high"] >= 0)).mean()
        told.append(f"Of the {counted(len(bounded), 'gain')} of single languages with an interval, {percent(unclear)} "
                    f"include zero. The intervals are not corrected for looking at so many.")  # fmt: skip
    return told
