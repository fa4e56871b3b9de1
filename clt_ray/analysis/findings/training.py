"""Claims about training on one task (gain, plateau, English alone) and on several tasks at once."""

from collections.abc import Iterator
from math import hypot, isfinite, isnan, nan
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
from clt_ray.analysis.run_noise import add_noise, peak, resampled_peaks
from clt_ray.analysis.saturation import FALLING, FLAT, saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats

_RISES: Final = (
    (SMALL, "instruction", 0.068), (SMALL, "summarization", 0.087), (SMALL, "math", 0.227),
    (LLAMA, "instruction", 0.123), (LLAMA, "summarization", 0.147), (LLAMA, "math", 0.40),
)  # fmt: skip
"""Model, task, published rise of performance relative to English; the last one is "over 40"."""
_PLATEAUS: Final = (
    (SMALL, "instruction", 400, 400), (SMALL, "summarization", 400, 400),
    (LARGE, "instruction", 200, 400), (LARGE, "summarization", 200, 400), (LARGE, "math", 200, 400),
)  # fmt: skip
"""Model, task, and the range of n at which the curve levels off according to the study."""
_TOLERANCE: Final = 0.01
"""Largest difference that counts as none at a plateau, as a share of the metric's scale."""
_WORTH_IT: Final = 0.05
"""Smallest gain in performance relative to English that counts as an advantage of multilingual data."""


def rises(study: Study) -> Iterator[Claim]:
    """Yields the claims on the rise of performance relative to English from n = 0 to the best run."""
    for model, task, published in _RISES:
        claim = f"{task_label(task)}, {model}: multilingual data brings the other languages nearer to English"
        over = "over " if published == 0.40 else ""
        published_text = f"{over}{100 * published:g} points of performance relative to English"
        curve = find_curve(study, model, task)
        if curve is None:
            yield untestable(claim, published_text, f"single-task runs of {model}")
            continue
        series, noise = values(study, curve, relative_to_english), noise_of(study, curve, relative_to_english)
        best = peak(series, noise.standard_deviation)
        rise, half_width = best.value - series[0], noise.half_width()
        low, high = rise - best.optimism - half_width, rise - best.optimism + half_width
        follows = rise >= published - ROUNDING if over else agrees(rise, published)
        reason = "" if follows else f"; the printed scores give {100 * rise:.1f} points, not {over}{100 * published:g}"
        reason += "" if follows else _without_arabic(study, curve)
        reason += "" if low > 0 else "; the interval includes zero"
        definition = (
            f"best run (n = {curve.points[best.index].samples_per_language}) minus n = 0 of mean(non-English "
            f"languages) / English; the interval is corrected for the optimism of picking the best of {len(series)} "
            f"runs, {100 * best.optimism:.1f} points{reason}"
        )
        yield Claim(claim, published_text, rise, low, high, definition, verdict(follows, low > 0), run_ids([curve]))


def _without_arabic(study: Study, curve: Curve) -> str:
    """Returns the rise without Arabic, which has scores near 0 in math at 7B.

    The study's math figures agree best with its tables when Arabic is left out.
    """
    languages = study.task_scores[curve.task].languages
    others = mean_over([code for code in languages if code not in (ENGLISH, "ar")])
    series = [others(study, curve, p) / mean_over([ENGLISH])(study, curve, p) for p in curve.points]
    return f" ({100 * (max(series) - series[0]):.1f} without Arabic)"


def plateaus(study: Study) -> Iterator[Claim]:
    """Yields the claims on where curves level off, which the study read off figures without a definition."""
    for model, task, first, last in _PLATEAUS:
        where = f"{first}" if first == last else f"{first} to {last}"
        claim = f"{task_label(task)}, {model}: levels off at {where} samples per language"
        curve = find_curve(study, model, task)
        if curve is None:
            yield untestable(claim, where, f"single-task runs of {model}")
            continue
        fit = saturation(Series.of(study, curve), _TOLERANCE * study.task_scores[task].metric.span)
        estimate = fit.plateau
        inside = estimate.low <= last and estimate.high >= first
        tight = isfinite(estimate.high) and estimate.high <= 2 * last
        rises_at_all = fit.verdict not in (FLAT, FALLING)
        if not rises_at_all:
            reason = f"the series is {fit.verdict}: it does not rise by more than the tolerance, so there is no plateau"
        elif not inside:
            reason = "the interval excludes the published n"
        elif not tight:
            reason = "the interval includes the published n and much larger ones, so the claim is not confirmed"
        else:
            reason = "the interval includes the published n and ends below twice its value"
        definition = (
            f"smallest n within {100 * _TOLERANCE:g}% of the scale of the ceiling of a saturating fit, mean of "
            f"non-English languages; {reason}"
        )
        yield Claim(claim, where, estimate.samples, estimate.low, estimate.high, definition,
                    verdict(inside, tight, rises_at_all), run_ids([curve]))  # fmt: skip


def data_ratio(study: Study) -> Iterator[Claim]:
    """Yields the claim on the ratio of samples at the best run, math against instruction following."""
    claim = f"{SMALL}: math needs about 13 times the multilingual data of instruction following to reach its peak"
    math, instruction = (find_curve(study, SMALL, task) for task in ("math", "instruction"))
    if math is None or instruction is None:
        yield untestable(claim, "13", f"single-task runs of {SMALL} in both tasks")
        return
    best_sizes, resampled_sizes = [], []
    for seed, curve in enumerate((math, instruction)):
        sizes = np.array([point.samples_per_language for point in curve.points[1:]], dtype=float)
        series = values(study, curve, mean_score)[1:]
        best_sizes.append(sizes[int(np.argmax(series))])
        noise = noise_of(study, curve, mean_score)
        resampled_sizes.append(sizes[resampled_peaks(series, noise.standard_deviation, seed)])
    low, high = np.quantile(resampled_sizes[0] / resampled_sizes[1], [0.025, 0.975], method="inverted_cdf")
    ratio = float(best_sizes[0] / best_sizes[1])
    follows = agrees(ratio, 13, 0.5)
    reason = "" if low > 1 else "; with run-to-run noise the best run can be anywhere in the interval"
    definition = (
        f"n of the best run, math ({best_sizes[0]:g}) / instruction following ({best_sizes[1]:g}), mean of non-English "
        f"languages, n > 0. The number follows as {best_sizes[0]:g} / {best_sizes[1]:g}{reason}"
    )
    yield Claim(claim, "13", ratio, float(low), float(high), definition, verdict(follows, bool(low > 1)),
                run_ids([math, instruction]))  # fmt: skip


def english_is_enough(study: Study) -> Iterator[Claim]:
    """Yields the claims that multilingual data adds little to English alone at the largest model."""
    for task in TASKS:
        claim = f"{task_label(task)}, {LARGE}: English alone is about as good as multilingual data"
        curve = find_curve(study, LARGE, task)
        if curve is None:
            yield untestable(claim, "comparable", f"single-task runs of {LARGE}")
            continue
        series = values(study, curve, relative_to_english)
        value = float(np.mean(series[1:])) - series[0]
        half_width = noise_of(study, curve, relative_to_english).half_width(1 + 1 / (len(series) - 1))
        enough = value + half_width < _WORTH_IT
        reason = "" if enough else "; the interval includes larger gains, so the claim is not confirmed"
        definition = (
            "mean of all runs with n > 0 minus n = 0 of performance relative to English; comparable when multilingual "
            f"data adds less than {100 * _WORTH_IT:g} points{reason}"
        )
        yield Claim(claim, "comparable", value, value - half_width, value + half_width, definition, verdict(enough),
                    run_ids([curve]))  # fmt: skip


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
