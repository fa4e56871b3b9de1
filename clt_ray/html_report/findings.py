"""Findings as sentences with numbers and intervals, the facts that they are based on, and their limitations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.labels import natural_sort_key
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.tables import MEAN
from clt_ray.analysis.uncertainty import NO_INTERVAL, Estimate, Z
from clt_ray.html_report.columns import NumberFormat
from clt_ray.html_report.text import amount, counted, digits_for, enumerated, language_names, number, percent, words
from clt_ray.tasks import Metric


@dataclass(frozen=True)
class Verdict:
    """What one curve shows, as text in reading order."""

    task: str
    model: str
    lead: str
    """The change in the seen languages with its number, for instance `Math improves by 31 points`."""
    detail: str
    """The rest of that sentence: interval, languages and n."""
    rest: str
    """Sentences on unseen languages, English, and the scores relative to English."""


def headline_curves(study: Study) -> tuple[Curve, ...]:
    """Returns a curve with n = 0 and more per task and model: single-task ones first, then most training languages."""
    chosen: dict[tuple[str, str], Curve] = {}
    for curve in study.curves:
        if curve.origin is not None and len(curve.points) > 1:
            chosen.setdefault((curve.task, curve.model), curve)
    return tuple(chosen.values())


def shared_training(study: Study) -> tuple[str, ...]:
    """Returns the training languages of the headline curves if all train on the same, else an empty tuple."""
    groups = {curve.train_languages for curve in headline_curves(study)}
    return groups.pop() if len(groups) == 1 else ()


def introduction(study: Study) -> str:
    """Returns what the verdicts compare, and which languages they call seen and unseen."""
    text = "Each finding compares training with the largest number of samples per language to training in English only."
    if trained := shared_training(study):
        unseen = set(study.scores["eval_language"]) - {ENGLISH, *trained}
        text += f" Seen languages are in the training data: {language_names(trained)}."
        text += f" Unseen languages are not: {language_names(sorted(unseen))}." if unseen else ""
    return text


def verdicts(study: Study) -> tuple[Verdict, ...]:
    """Returns a verdict per headline curve, comparing its largest n with n = 0."""
    return tuple(_verdict(study, curve) for curve in headline_curves(study))


def _verdict(study: Study, curve: Curve) -> Verdict:
    curve_metric = metric(curve.metric)
    added = curve.largest.samples_per_language
    gains = {kind: transfer.gain(study, curve, added, kind) for kind in ("seen", "unseen", "english")}
    subject = task_label(curve.task)
    if curve.setting == "multi":
        subject += ", trained together with other tasks,"
    lead, interval_text = _change(gains["seen"], curve_metric)
    languages = "" if shared_training(study) else f" ({language_names(curve.train_languages)})"
    detail = f"{interval_text} in seen languages{languages} when {counted(added, 'sample')} per language are added."
    sentences = [
        f"{name}: {_brief(gains[kind], curve_metric)}."
        for kind, name in (("unseen", "Unseen languages"), ("english", "English"))
        if gains[kind].n
    ]
    sentences += _relative_to_english(study, curve)
    return Verdict(curve.task, curve.model, f"{subject} {lead}", detail, " ".join(sentences))


def _relative_to_english(study: Study, curve: Curve) -> Iterator[str]:
    start = curve.origin
    assert start is not None
    before, after = (transfer.relative_to_english(study, curve, point).estimate for point in (start, curve.largest))
    if not (isfinite(before) and isfinite(after)):
        return
    shown = [percent(before), percent(after)]
    verb = "stays at" if shown[0] == shown[1] else f"{'rises' if after > before else 'falls'} from {shown[0]} to"
    yield f"The mean score of all non-English languages relative to English {verb} {shown[1]}."


def _change(gain: Estimate, gain_metric: Metric) -> tuple[str, str]:
    """Returns a verb with the number, and the interval: `improves by 31 points`, `(95% interval 24 to 38)`."""
    digits = digits_for(gain, gain_metric)
    factor = gain_metric.shown_factor
    if not gain.has_interval:
        shown = _signed(gain, gain_metric, digits)
        return f"changes by {shown}" if shown else "does not change", "(no interval available)"
    ends = f"95% interval {NumberFormat(digits, factor).interval(gain.low, gain.high)}"
    if gain.excludes_zero:
        verb = "improves" if gain.estimate > 0 else "drops"
        return f"{verb} by {amount(gain.estimate, gain_metric, digits)}", f"({ends})"
    shown = number(gain.estimate * factor, digits, signed=True)
    return f"shows no clear change: {shown} {gain_metric.unit}", f"({ends}, which includes zero)"


def _signed(gain: Estimate, gain_metric: Metric, digits: int) -> str:
    """Returns the number with its sign and unit; empty where it is shown as zero."""
    if float(f"{gain.estimate * gain_metric.shown_factor:.{digits}f}") == 0:
        return ""
    return f"{'−' if gain.estimate < 0 else '+'}{amount(gain.estimate, gain_metric, digits)}"


def _brief(gain: Estimate, gain_metric: Metric) -> str:
    """Returns the number with its interval: `+6 points (−1 to 12, includes zero)`."""
    digits = digits_for(gain, gain_metric)
    text = _signed(gain, gain_metric, digits) or "no change"
    if not gain.has_interval:
        return text
    note = "" if gain.excludes_zero else ", includes zero"
    ends = NumberFormat(digits, gain_metric.shown_factor).interval(gain.low, gain.high)
    return f"{text} ({ends}{note})"


_FEW_ITEMS: Final = 200
"""With fewer test items per language, the uncertainty of single languages is pointed out."""
_FEW_RUNS: Final = 6
"""With fewer runs per curve, the uncertainty of rank correlations is pointed out."""


def evidence(study: Study, gains: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Returns the facts that the findings are based on (for `runs`, see `ReportData`), as pairs of name and text."""
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
    used = gains["method"].str
    methods = [text for name, text in words()["intervals"].items() if used.contains(name, regex=False).any()]
    facts = [
        ("Runs", _runs_text(scores["run_id"].nunique(), runs)),
        ("Models", enumerated(sorted(scores["model"].unique(), key=natural_sort_key))),
        ("Seeds", f"{len(seeds)} ({', '.join(str(seed) for seed in seeds)})"),
        ("Training languages", f"English in every run; {language_names(trained)}" if trained else "English only"),
        ("Unseen languages", language_names(unseen)),
        ("Evaluation", "; ".join(evaluation)),
        ("95% intervals", "; ".join(methods) or "none: no run can be compared with an English-only run"),
    ]
    return [(name, text) for name, text in facts if text]


def limits(study: Study, gains: pd.DataFrame, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what a reader must not conclude, most important first; the arguments are those of `evidence`."""
    scores, is_mean = study.scores, gains["eval_language"] == MEAN
    missing = sum(run.get("state") != "finished" for run in runs)
    cells = scores.drop_duplicates("run_id").groupby(["model", "setting", "language_group", "samples_per_language"])
    without = gains[(gains["method"] == NO_INTERVAL) & is_mean]
    bounded = gains[~is_mean & gains["low"].notna()]
    unclear = ((bounded["low"] <= 0) & (bounded["high"] >= 0)).mean()
    fewest_items = scores["n_items"].min()
    applies = {
        "missing_runs": missing > 0,
        "tiny_model": "tiny" in set(scores["model"]),
        "one_seed": cells["seed"].nunique().max() == 1,
        "no_intervals": len(without) > 0,
        "unclear_gains": len(bounded) > 0,
        "reference_chrf": "reference_chrf" in set(scores["metric"]),
        "few_items": fewest_items < _FEW_ITEMS,
        "few_runs": max(sum(len(point.runs) for point in curve.points) for curve in study.curves) < _FEW_RUNS,
    }
    values = {
        "runs": counted(missing, "run"),
        "are": "is" if missing == 1 else "are",
        "tasks": enumerated([task_label(task).lower() for task in without["task"].unique()]),
        "gains": counted(len(bounded), "gain"),
        "unclear": percent(unclear),
        "items": fewest_items,
        "half_width": 100 * Z * sqrt(0.25 / fewest_items),
    }
    return [text.format_map(values) for name, text in words()["limits"].items() if applies.get(name, True)]


def _runs_text(scored: int, runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return f"{counted(scored, 'run')} with scores"
    states = pd.Series([str(run.get("state", "")) for run in runs]).value_counts()
    parts = [f"{states.get('finished', 0)} of {counted(len(runs), 'run')} finished"]
    parts += [f"{count} {state}" for state, count in states.items() if state != "finished"]
    return ", ".join(parts)
