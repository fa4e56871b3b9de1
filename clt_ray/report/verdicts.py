"""Findings as sentences with numbers and intervals, saying plainly when an interval includes zero."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from clt_ray.analysis import transfer
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Estimate
from clt_ray.report.text import amount, counted, digits_for, interval, language_names, number, percent
from clt_ray.tasks import Metric


@dataclass(frozen=True)
class Verdict:
    """What one curve shows, as sentences in reading order."""

    task: str
    model: str
    lead: str
    """What happened to the seen languages, with the number: `Math improves by 31 points`."""
    detail: str
    """The rest of that sentence: interval, languages, n."""
    rest: str
    """Sentences about unseen languages, English and the distance to English."""


def headline_curves(study: Study) -> tuple[Curve, ...]:
    """Per task and model the curve that speaks for it: single-task before mixed, then most training languages.

    Only curves with an n = 0 run and another one can speak.
    """
    chosen: dict[tuple[str, str], Curve] = {}
    for curve in study.curves:
        if curve.origin is not None and len(curve.points) > 1:
            chosen.setdefault((curve.task, curve.model), curve)
    return tuple(chosen.values())


def shared_training(study: Study) -> tuple[str, ...]:
    """Training languages of the headline curves if all train on the same, else ()."""
    found = {curve.train_languages for curve in headline_curves(study)}
    return found.pop() if len(found) == 1 else ()


def introduction(study: Study) -> str:
    """What the verdicts compare, and which languages they mean by seen and unseen."""
    text = "Each compares the largest number of samples per language with training in English alone."
    trained = shared_training(study)
    if trained:
        evaluated = set(study.scores["eval_language"]) - {ENGLISH, *trained}
        text += f" Seen languages are those trained on: {language_names(trained)}."
        text += f" Unseen ones never appear in training: {language_names(sorted(evaluated))}." if evaluated else ""
    return text


def verdicts(study: Study) -> tuple[Verdict, ...]:
    """A verdict per headline curve, about its largest n against n = 0."""
    return tuple(_verdict(study, curve) for curve in headline_curves(study))


def _verdict(study: Study, curve: Curve) -> Verdict:
    about = metric(curve.metric)
    added = curve.largest.samples_per_language
    gains = {kind: transfer.gain(study, curve, added, kind) for kind in ("seen", "unseen", "english")}
    subject = task_label(curve.task)
    if curve.setting == "multi":
        subject += ", trained together with other tasks,"
    lead, span = _change(gains["seen"], about)
    named = "" if shared_training(study) else f" ({language_names(curve.train_languages)})"
    detail = f"{span} in seen languages{named} when {counted(added, 'sample')} per language are added"
    rest = []
    if gains["unseen"].n:
        rest.append(f"Unseen languages: {_brief(gains['unseen'], about)}.")
    if gains["english"].n:
        rest.append(f"English: {_brief(gains['english'], about)}.")
    start = curve.origin
    assert start is not None
    before, after = (transfer.relative_to_english(study, curve, point) for point in (start, curve.largest))
    if isfinite(before.estimate) and isfinite(after.estimate):
        rest.append(
            f"The other languages together reach {percent(after.estimate)} of the English score; "
            f"with English training alone {percent(before.estimate)}."
        )
    return Verdict(curve.task, curve.model, f"{subject} {lead}", f"{detail}.", " ".join(rest))


def _change(gain: Estimate, about: Metric) -> tuple[str, str]:
    """Verb with number, and interval: `improves by 31 points`, `(95% interval 24 to 38)`."""
    digits = digits_for(gain, about)
    factor = about.shown_factor
    shown = number(gain.estimate * factor, digits, signed=True)
    if not gain.has_interval:
        still = float(f"{gain.estimate * factor:.{digits}f}") == 0
        moves = f"moves {'up' if gain.estimate > 0 else 'down'} by {amount(gain.estimate, about, digits)}"
        return "does not move" if still else moves, "(no interval: no item scores are known)"
    span = f"95% interval {interval(gain, factor, digits)}"
    if gain.excludes_zero:
        verb = "improves" if gain.estimate > 0 else "drops"
        return f"{verb} by {amount(gain.estimate, about, digits)}", f"({span})"
    return f"shows no clear change: {shown} {about.unit}", f"({span}, which includes zero)"


def _brief(gain: Estimate, about: Metric) -> str:
    """`+6 points (−1 to 12, includes zero)`."""
    digits = digits_for(gain, about)
    text = f"{'−' if gain.estimate < 0 else '+'}{amount(gain.estimate, about, digits)}"
    if float(f"{gain.estimate * about.shown_factor:.{digits}f}") == 0:
        text = "no change"
    if not gain.has_interval:
        return text
    note = "" if gain.excludes_zero else ", includes zero"
    return f"{text} ({interval(gain, about.shown_factor, digits)}{note})"
