"""Findings as sentences with numbers and intervals, which state when an interval includes zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from clt_ray.analysis import transfer
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Estimate
from clt_ray.html_report.text import amount, counted, digits_for, interval, language_names, number, percent
from clt_ray.tasks import Metric


@dataclass(frozen=True)
class Verdict:
    """What one curve shows, as text in reading order."""

    task: str
    """Task of the curve."""
    model: str
    """Model of the curve."""
    lead: str
    """The change in the seen languages with its number, for instance `Math improves by 31 points`."""
    detail: str
    """The rest of that sentence: interval, languages and n."""
    rest: str
    """Sentences on unseen languages, English, and the scores relative to English."""


def headline_curves(study: Study) -> tuple[Curve, ...]:
    """Returns the curve that represents each task and model.

    Single-task curves come before mixed ones, then those with most training languages. A curve needs an n = 0 run and
    another one.
    """
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
    trained = shared_training(study)
    if trained:
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
    """States how the mean of all non-English languages relative to English changes."""
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
    shown = f"{'−' if gain.estimate < 0 else '+'}{amount(gain.estimate, gain_metric, digits)}"
    if not gain.has_interval:
        is_zero = float(f"{gain.estimate * factor:.{digits}f}") == 0
        return "does not change" if is_zero else f"changes by {shown}", "(no interval available)"
    ends = f"95% interval {interval(gain, factor, digits)}"
    if gain.excludes_zero:
        verb = "improves" if gain.estimate > 0 else "drops"
        return f"{verb} by {amount(gain.estimate, gain_metric, digits)}", f"({ends})"
    shown = number(gain.estimate * factor, digits, signed=True)
    return f"shows no clear change: {shown} {gain_metric.unit}", f"({ends}, which includes zero)"


def _brief(gain: Estimate, gain_metric: Metric) -> str:
    """Returns the number with its interval: `+6 points (−1 to 12, includes zero)`."""
    digits = digits_for(gain, gain_metric)
    text = f"{'−' if gain.estimate < 0 else '+'}{amount(gain.estimate, gain_metric, digits)}"
    if float(f"{gain.estimate * gain_metric.shown_factor:.{digits}f}") == 0:
        text = "no change"
    if not gain.has_interval:
        return text
    note = "" if gain.excludes_zero else ", includes zero"
    return f"{text} ({interval(gain, gain_metric.shown_factor, digits)}{note})"
