"""Claims about training on one task: how much is gained, where it ends, what English alone does."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Final

import numpy as np

from clt_ray.analysis.findings.claim import (
    LARGE,
    LLAMA,
    ROUNDING,
    SMALL,
    TASKS,
    Claim,
    agrees,
    find,
    mean_over,
    mean_score,
    missing,
    noise_around,
    run_ids,
    share_of_english,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.peak import peak, repicked
from clt_ray.analysis.saturation import FALLING, FLAT, saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study

_RISES: Final = (
    (SMALL, "instruction", 0.068), (SMALL, "summarization", 0.087), (SMALL, "math", 0.227),
    (LLAMA, "instruction", 0.123), (LLAMA, "summarization", 0.147), (LLAMA, "math", 0.40),
)  # fmt: skip
"""Model, task, published rise of performance relative to English; the last one is "over 40"."""
_PLATEAUS: Final = (
    (SMALL, "instruction", 400, 400), (SMALL, "summarization", 400, 400),
    (LARGE, "instruction", 200, 400), (LARGE, "summarization", 200, 400), (LARGE, "math", 200, 400),
)  # fmt: skip
"""Model, task, smallest and largest n at which the study sees a curve level off."""
_TOLERANCE: Final = 0.01
"""Of the metric's scale: what makes no difference at a plateau."""
_WORTH_IT: Final = 0.05
"""Of the English score: from here on multilingual data adds something that English alone lacks."""


def rises(study: Study) -> Iterator[Claim]:
    """How much nearer to English the best run brings the other languages."""
    for model, task, published in _RISES:
        claim = f"{task_label(task)}, {model}: multilingual data brings the other languages nearer to English"
        over = "over " if published == 0.40 else ""
        told = f"{over}{100 * published:g} points of performance relative to English"
        curve = find(study, model, task)
        if curve is None:
            yield missing(claim, told, f"single-task runs of {model}")
            continue
        series, noise = values(study, curve, share_of_english), noise_around(study, curve, share_of_english)
        best = peak(series, noise.deviation)
        rise, half = best.value - series[0], noise.half_width()
        low, high = rise - best.optimism - half, rise - best.optimism + half
        follows = rise >= published - ROUNDING if over else agrees(rise, published)
        why = "" if follows else f"; the printed scores give {100 * rise:.1f} points, not {over}{100 * published:g}"
        why += "" if follows else _without_arabic(study, curve)
        why += "" if low > 0 else "; the interval includes zero"
        definition = (
            f"best run (n = {curve.points[best.index].samples_per_language}) minus n = 0 of mean(non-English "
            f"languages) / English; interval without the {100 * best.optimism:.1f} points that picking the best of "
            f"{len(series)} brings{why}"
        )
        yield Claim(claim, told, rise, low, high, definition, verdict(follows, low > 0), run_ids([curve]))


def _without_arabic(study: Study, curve: Curve) -> str:
    """The study's math figures come nearest to its tables when Arabic, near 0 in math at 7B, is left out."""
    cells = study.task_scores[curve.task]
    others = mean_over([code for code in cells.languages if code not in (ENGLISH, "ar")])
    series = [others(study, curve, p) / mean_over([ENGLISH])(study, curve, p) for p in curve.points]
    return f" ({100 * (max(series) - series[0]):.1f} without Arabic)"


def plateaus(study: Study) -> Iterator[Claim]:
    """Where curves level off; the study saw it in figures and gives no definition."""
    for model, task, first, last in _PLATEAUS:
        where = f"{first}" if first == last else f"{first} to {last}"
        claim = f"{task_label(task)}, {model}: levels off at {where} samples per language"
        curve = find(study, model, task)
        if curve is None:
            yield missing(claim, where, f"single-task runs of {model}")
            continue
        found = saturation(Series.of(study, curve), _TOLERANCE * study.task_scores[task].metric.span)
        level = found.plateau
        inside = level.low <= last and level.high >= first
        tight = isfinite(level.high) and level.high <= 2 * last
        rises_at_all = found.verdict not in (FLAT, FALLING)
        if not rises_at_all:
            why = f"the series is {found.verdict}: nothing rises by more than the tolerance, so nothing levels off"
        elif not inside:
            why = "the interval leaves the published n out"
        elif not tight:
            why = "the interval holds the published n, and also much larger ones: these runs cannot tell"
        else:
            why = "the interval holds the published n and nothing beyond twice of it"
        definition = (
            f"smallest n within {100 * _TOLERANCE:g}% of the scale of the ceiling of a saturating fit, mean of "
            f"non-English languages; {why}"
        )
        yield Claim(claim, where, level.samples, level.low, level.high, definition,
                    verdict(inside, tight, rises_at_all), run_ids([curve]))  # fmt: skip


def data_ratio(study: Study) -> Iterator[Claim]:
    """Math against instruction following: samples at the best run."""
    claim = f"{SMALL}: math needs about 13 times the multilingual data of instruction following to reach its peak"
    math, other = (find(study, SMALL, task) for task in ("math", "instruction"))
    if math is None or other is None:
        yield missing(claim, "13", f"single-task runs of {SMALL} in both tasks")
        return
    picks, again = [], []
    for seed, curve in enumerate((math, other)):
        sizes = np.array([point.samples_per_language for point in curve.points[1:]], dtype=float)
        series = values(study, curve, mean_score)[1:]
        picks.append(sizes[int(np.argmax(series))])
        again.append(sizes[repicked(series, noise_around(study, curve, mean_score).deviation, seed)])
    low, high = np.quantile(again[0] / again[1], [0.025, 0.975], method="inverted_cdf")
    ratio = float(picks[0] / picks[1])
    follows = agrees(ratio, 13, 0.5)
    why = "" if low > 1 else "; picked again with run-to-run noise, the best runs lie anywhere in the interval"
    definition = (
        f"n of the best run, math ({picks[0]:g}) / instruction following ({picks[1]:g}), mean of non-English "
        f"languages, n > 0. The number follows as {picks[0]:g} / {picks[1]:g}{why}"
    )
    yield Claim(claim, "13", ratio, float(low), float(high), definition, verdict(follows, bool(low > 1)),
                run_ids([math, other]))  # fmt: skip


def english_is_enough(study: Study) -> Iterator[Claim]:
    """At the largest model, what multilingual data adds to English alone."""
    for task in TASKS:
        claim = f"{task_label(task)}, {LARGE}: English alone is about as good as multilingual data"
        curve = find(study, LARGE, task)
        if curve is None:
            yield missing(claim, "comparable", f"single-task runs of {LARGE}")
            continue
        series = values(study, curve, share_of_english)
        value = float(np.mean(series[1:])) - series[0]
        half = noise_around(study, curve, share_of_english).half_width(1 + 1 / (len(series) - 1))
        enough = value + half < _WORTH_IT
        why = "" if enough else "; the interval also holds more, so these runs cannot tell"
        definition = (
            "mean of all runs with n > 0 minus n = 0 of performance relative to English; comparable when multilingual "
            f"data adds less than {100 * _WORTH_IT:g} points{why}"
        )
        yield Claim(claim, "comparable", value, value - half, value + half, definition, verdict(enough),
                    run_ids([curve]))  # fmt: skip
