"""Claims about training on several tasks at once."""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot, isnan, nan
from typing import Final

import numpy as np

from clt_ray.analysis.findings.claim import (
    LARGE,
    ROUNDING,
    SMALL,
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
from clt_ray.analysis.peak import noisy, peak
from clt_ray.analysis.run_noise import LEAST_FREEDOM
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats

_SEEN: Final = ("es", "fr", "ja", "zh")
_SHARES: Final = (("summarization", 0.90), ("instruction", 0.90), ("math", 0.60))
"""Task, published share of English that mixed training reaches at its best."""
_ROUND: Final = 0.03
"""The study says "around" and "a little over" of these shares."""


def best_runs(study: Study) -> Iterator[Claim]:
    """Best mixed run against best single-task run in math: a loss at 7B, none at 35B."""
    for model, published in ((SMALL, -0.08), (LARGE, 0.0)):
        verb, told = (
            ("costs accuracy", "8 points less") if published else ("does not cost accuracy", "at least as good")
        )
        claim = f"Math, {model}: training on other tasks too {verb}"
        alone, mixed = find(study, model, "math"), find(study, model, "math", "multi")
        if alone is None or mixed is None:
            yield missing(claim, told, f"single-task and mixed runs of {model}")
            continue
        value, low, high = _difference_of_peaks(study, mixed, alone)
        follows = agrees(value, published) if published else value >= -ROUNDING
        certain = high < 0 if published else low > -0.02
        why = "" if follows and certain else "; the interval also holds a loss of more than 2 points"
        definition = (
            f"best mixed run minus best single-task run, mean accuracy of non-English languages; interval without the "
            f"luck of picking the best of {len(mixed.points)} and of {len(alone.points)}{why}"
        )
        yield Claim(claim, told, value, low, high, definition, verdict(follows, certain), run_ids([alone, mixed]))


def _difference_of_peaks(study: Study, mixed: Curve, alone: Curve) -> tuple[float, float, float]:
    noises = [noise_around(study, curve, mean_score) for curve in (mixed, alone)]
    peaks = [
        peak(values(study, curve, mean_score), noise.deviation)
        for curve, noise in zip((mixed, alone), noises, strict=True)
    ]
    value = peaks[0].value - peaks[1].value
    centre = peaks[0].corrected - peaks[1].corrected
    # The smaller of the two degrees of freedom: never too narrow (Welch's interval lies between).
    widest = min(noises, key=lambda noise: noise.freedom)
    deviation = hypot(*(noise.deviation for noise in noises))
    half = widest.half_width(1.0) / widest.deviation * deviation if widest.freedom >= LEAST_FREEDOM else nan
    return value, centre - half, centre + half


def shares(study: Study) -> Iterator[Claim]:
    """How near to English mixed training comes at 7B."""
    for task, published in _SHARES:
        claim = f"{task_label(task)}, {SMALL}: mixed training reaches about {100 * published:g}% of English"
        told = f"{100 * published:g}%"
        curve = find(study, SMALL, task, "multi")
        if curve is None:
            yield missing(claim, told, f"mixed runs of {SMALL}")
            continue
        noise = noise_around(study, curve, share_of_english)
        best = peak(values(study, curve, share_of_english), noise.deviation)
        half = noise.half_width(1.0)
        low, high = best.corrected - half, best.corrected + half
        follows = agrees(best.value, published, _ROUND)
        why = "" if follows else f"; the printed scores give {100 * best.value:.0f}%"
        definition = (
            f"best run (n = {curve.points[best.index].samples_per_language}) of mean(non-English languages) / English; "
            f"interval without the luck of picking the best of {len(curve.points)}{why}"
        )
        inside = low <= published + _ROUND and high >= published - _ROUND
        yield Claim(claim, told, best.value, low, high, definition, verdict(follows, inside), run_ids([curve]))


def less_math_data(study: Study) -> Iterator[Claim]:
    """Mixed runs reach the best single-task math score with fewer math samples at 35B."""
    claim = f"Math, {LARGE}: mixed training reaches the best single-task score with 11k instead of 18k math samples"
    told = "68% with 11,000"
    alone, mixed = find(study, LARGE, "math"), find(study, LARGE, "math", "multi")
    if alone is None or mixed is None:
        yield missing(claim, told, f"single-task and mixed math runs of {LARGE}")
        return
    needed, best = {}, {}
    for name, languages in (("without", _SEEN), ("with", (ENGLISH, *_SEEN))):
        statistic = mean_over(languages)
        single, joint = values(study, alone, statistic), values(study, mixed, statistic)
        best[name] = max(single)
        needed[name] = _math_samples(mixed, np.array([joint]), np.array([best[name]]))[0]
    again = _math_samples(mixed, _drawn(study, mixed, 0), _drawn(study, alone, 1).max(axis=1))
    low, high = np.quantile(again, [0.025, 0.975], method="inverted_cdf")
    full = 10_000 + 4 * alone.points[int(np.argmax(values(study, alone, mean_over(_SEEN))))].samples_per_language
    certain = bool(high < full)
    why = "" if certain else f"; with run-to-run noise added, reaching it may take more than the {full:,} samples"
    definition = (
        "math samples (5,000 English and n in each of 4 languages) of the first mixed run within rounding of the best "
        f"single-task run, seen languages: {needed['without']:,.0f} by the study's definition, where English is not "
        f"seen and the score is {100 * best['without']:.0f}%; {needed['with']:,.0f} with English, where it is "
        f"{100 * best['with']:.0f}%{why}"
    )
    follows = not isnan(needed["without"]) and agrees(needed["without"], 11_000, 1)
    yield Claim(claim, told, needed["without"], float(low), float(high), definition, verdict(follows, certain),
                run_ids([alone, mixed]))  # fmt: skip


def _drawn(study: Study, curve: Curve, seed: int) -> Floats:
    statistic = mean_over(_SEEN)
    return noisy(values(study, curve, statistic), noise_around(study, curve, statistic).deviation, seed)


def _math_samples(mixed: Curve, joint: Floats, target: Floats) -> Floats:
    """Math samples of the first mixed run that reaches the target, per row; infinite when none does."""
    samples = np.array([5_000.0 + 4 * point.samples_per_language for point in mixed.points])
    reached = joint >= target[:, None] - ROUNDING
    return np.where(reached.any(axis=1), samples[reached.argmax(axis=1)], np.inf)
