"""Claims about training on several tasks at once."""

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
    find_curve,
    mean_over,
    mean_score,
    noise_of,
    relative_to_english,
    run_ids,
    untestable,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.peak import add_noise, peak
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats

_SEEN: Final = ("es", "fr", "ja", "zh")
_SHARES: Final = (("summarization", 0.90), ("instruction", 0.90), ("math", 0.60))
"""Task, and published share of the English score that mixed training reaches at its best."""
_APPROXIMATE: Final = 0.03
"""Tolerance for shares that the study introduces with "around" and "a little over"."""


def best_runs(study: Study) -> Iterator[Claim]:
    """Yields the claims on the best mixed against the best single-task run in math: a loss at 7B, none at 35B."""
    for model, published in ((SMALL, -0.08), (LARGE, 0.0)):
        verb, published_text = (
            ("costs accuracy", "8 points less") if published else ("does not cost accuracy", "at least as good")
        )
        claim = f"Math, {model}: training on other tasks too {verb}"
        single, mixed = find_curve(study, model, "math"), find_curve(study, model, "math", "multi")
        if single is None or mixed is None:
            yield untestable(claim, published_text, f"single-task and mixed runs of {model}")
            continue
        value, low, high = _difference_of_peaks(study, mixed, single)
        follows = agrees(value, published) if published else value >= -ROUNDING
        certain = high < 0 if published else low > -0.02
        reason = "" if follows and certain else "; the interval includes losses of more than 2 points"
        definition = (
            "best mixed run minus best single-task run, mean accuracy of non-English languages; the interval is "
            f"corrected for the optimism of picking the best of {len(mixed.points)} and of {len(single.points)} runs"
            f"{reason}"
        )
        outcome = verdict(follows, certain)
        yield Claim(claim, published_text, value, low, high, definition, outcome, run_ids([single, mixed]))


def _difference_of_peaks(study: Study, mixed: Curve, single: Curve) -> tuple[float, float, float]:
    noises = [noise_of(study, curve, mean_score) for curve in (mixed, single)]
    peaks = [
        peak(values(study, curve, mean_score), noise.standard_deviation)
        for curve, noise in zip((mixed, single), noises, strict=True)
    ]
    value = peaks[0].value - peaks[1].value
    centre = peaks[0].corrected - peaks[1].corrected
    # The smaller of the two degrees of freedom is conservative: Welch's interval is never wider.
    fewest = min(noises, key=lambda noise: noise.degrees_of_freedom)
    deviation = hypot(*(noise.standard_deviation for noise in noises))
    half_width = fewest.half_width(1.0) / fewest.standard_deviation * deviation if fewest.is_known else nan
    return value, centre - half_width, centre + half_width


def shares(study: Study) -> Iterator[Claim]:
    """Yields the claims on the share of the English score that mixed training reaches at 7B."""
    for task, published in _SHARES:
        claim = f"{task_label(task)}, {SMALL}: mixed training reaches about {100 * published:g}% of English"
        published_text = f"{100 * published:g}%"
        curve = find_curve(study, SMALL, task, "multi")
        if curve is None:
            yield untestable(claim, published_text, f"mixed runs of {SMALL}")
            continue
        noise = noise_of(study, curve, relative_to_english)
        best = peak(values(study, curve, relative_to_english), noise.standard_deviation)
        half_width = noise.half_width(1.0)
        low, high = best.corrected - half_width, best.corrected + half_width
        follows = agrees(best.value, published, _APPROXIMATE)
        reason = "" if follows else f"; the printed scores give {100 * best.value:.0f}%"
        definition = (
            f"best run (n = {curve.points[best.index].samples_per_language}) of mean(non-English languages) / English; "
            f"the interval is corrected for the optimism of picking the best of {len(curve.points)} runs{reason}"
        )
        inside = low <= published + _APPROXIMATE and high >= published - _APPROXIMATE
        outcome = verdict(follows, inside)
        yield Claim(claim, published_text, best.value, low, high, definition, outcome, run_ids([curve]))


def less_math_data(study: Study) -> Iterator[Claim]:
    """Yields the claim that mixed runs reach the best single-task math score with fewer math samples at 35B."""
    claim = f"Math, {LARGE}: mixed training reaches the best single-task score with 11k instead of 18k math samples"
    published_text = "68% with 11,000"
    single, mixed = find_curve(study, LARGE, "math"), find_curve(study, LARGE, "math", "multi")
    if single is None or mixed is None:
        yield untestable(claim, published_text, f"single-task and mixed math runs of {LARGE}")
        return
    needed, best = {}, {}
    for name, languages in (("without", _SEEN), ("with", (ENGLISH, *_SEEN))):
        statistic = mean_over(languages)
        single_scores, mixed_scores = values(study, single, statistic), values(study, mixed, statistic)
        best[name] = max(single_scores)
        needed[name] = _math_samples(mixed, np.array([mixed_scores]), np.array([best[name]]))[0]
    resampled = _math_samples(mixed, _noisy_scores(study, mixed, 0), _noisy_scores(study, single, 1).max(axis=1))
    low, high = np.quantile(resampled, [0.025, 0.975], method="inverted_cdf")
    best_point = single.points[int(np.argmax(values(study, single, mean_over(_SEEN))))]
    single_samples = 10_000 + 4 * best_point.samples_per_language
    certain = bool(high < single_samples)
    reason = "" if certain else f"; with run-to-run noise it may take more than the {single_samples:,} samples"
    definition = (
        "math samples (5,000 English and n in each of 4 languages) of the first mixed run within rounding of the best "
        f"single-task run, seen languages: {needed['without']:,.0f} by the study's definition, where English is not "
        f"seen and the score is {100 * best['without']:.0f}%; {needed['with']:,.0f} with English, where it is "
        f"{100 * best['with']:.0f}%{reason}"
    )
    follows = not isnan(needed["without"]) and agrees(needed["without"], 11_000, 1)
    yield Claim(claim, published_text, needed["without"], float(low), float(high), definition,
                verdict(follows, certain), run_ids([single, mixed]))  # fmt: skip


def _noisy_scores(study: Study, curve: Curve, seed: int) -> Floats:
    statistic = mean_over(_SEEN)
    return add_noise(values(study, curve, statistic), noise_of(study, curve, statistic).standard_deviation, seed)


def _math_samples(mixed: Curve, scores: Floats, target: Floats) -> Floats:
    """Returns the math samples of the first mixed run that reaches the target, per row; infinite if none does."""
    samples = np.array([5_000.0 + 4 * point.samples_per_language for point in mixed.points])
    reached = scores >= target[:, None] - ROUNDING
    return np.where(reached.any(axis=1), samples[reached.argmax(axis=1)], np.inf)
