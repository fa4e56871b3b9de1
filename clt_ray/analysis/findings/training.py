"""Claims about training on one task (gain, plateau, English alone) and on several tasks at once."""

from math import hypot, isfinite, isnan, nan
from typing import Final

import numpy as np

from clt_ray.analysis.findings import claim as claims
from clt_ray.analysis.findings.claim import LARGE, LLAMA, SMALL, Claim, Statement, around, noise_of, values, verdict
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.run_noise import add_noise, peak, resampled_peaks
from clt_ray.analysis.saturation import FALLING, FLAT, saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats

RISES: Final = (
    (SMALL, "instruction", 0.068), (SMALL, "summarization", 0.087), (SMALL, "math", 0.227),
    (LLAMA, "instruction", 0.123), (LLAMA, "summarization", 0.147), (LLAMA, "math", 0.40),
)  # fmt: skip
"""Model, task, published rise of performance relative to English; the last one is "over 40"."""
PLATEAUS: Final = (
    (SMALL, "instruction", 400, 400), (SMALL, "summarization", 400, 400),
    (LARGE, "instruction", 200, 400), (LARGE, "summarization", 200, 400), (LARGE, "math", 200, 400),
)  # fmt: skip
"""Model, task, and the range of n at which the curve levels off according to the study."""
BEST_RUNS: Final = ((SMALL, -0.08), (LARGE, 0.0))
"""Model, and published difference of the best mixed and the best single-task run in math; 0 is "at least as good"."""
SHARES: Final = (("summarization", 0.90), ("instruction", 0.90), ("math", 0.60))
"""Task, and published share of the English score that mixed training reaches at its best."""
_TOLERANCE: Final = 0.01
"""Largest difference that counts as none at a plateau, as a share of the metric's scale."""
_WORTH_IT: Final = 0.05
"""Smallest gain in performance relative to English that counts as an advantage of multilingual data."""
_APPROXIMATE: Final = 0.03
"""Tolerance for shares that the study introduces with "around" and "a little over"."""
_SEEN: Final = ("es", "fr", "ja", "zh")


def rise(study: Study, model: str, task: str, published: float) -> Claim:
    """Returns the claim on the rise of performance relative to English from n = 0 to the best run."""
    over = "over " if published == 0.40 else ""
    statement = Statement(
        study,
        f"{task_label(task)}, {model}: multilingual data brings the other languages nearer to English",
        f"{over}{100 * published:g} points of performance relative to English",
    )
    curve = statement.curve(model, task)
    series = values(study, curve, claims.relative_to_english)
    noise = noise_of(study, curve, claims.relative_to_english)
    best = peak(series, noise.standard_deviation)
    value = best.value - series[0]
    low, high = around(value - best.optimism, noise.half_width())
    follows = value >= published - claims.ROUNDING if over else claims.agrees(value, published)
    reason = "" if follows else f"; the printed scores give {100 * value:.1f} points, not {over}{100 * published:g}"
    reason += "" if follows else _without_arabic(study, curve)
    reason += "" if low > 0 else "; the interval includes zero"
    definition = (
        f"best run (n = {curve.points[best.index].samples_per_language}) minus n = 0 of mean(non-English languages) / "
        f"English; the interval is corrected for the optimism of picking the best of {len(series)} runs, "
        f"{100 * best.optimism:.1f} points{reason}"
    )
    return statement.tested(value, (low, high), definition, verdict(follows, low > 0), curve)


def _without_arabic(study: Study, curve: Curve) -> str:
    """Returns the rise without Arabic, which has scores near 0 in math at 7B.

    The study's math figures agree best with its tables when Arabic is left out.
    """
    languages = study.task_scores[curve.task].languages
    others = claims.mean_over([code for code in languages if code not in (ENGLISH, "ar")])
    series = [others(study, curve, p) / claims.mean_over([ENGLISH])(study, curve, p) for p in curve.points]
    return f" ({100 * (max(series) - series[0]):.1f} without Arabic)"


def plateau(study: Study, model: str, task: str, first: int, last: int) -> Claim:
    """Returns the claim on where a curve levels off, which the study read off a figure without a definition."""
    where = f"{first}" if first == last else f"{first} to {last}"
    claim = f"{task_label(task)}, {model}: levels off at {where} samples per language"
    statement = Statement(study, claim, where)
    curve = statement.curve(model, task)
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
        f"smallest n within {100 * _TOLERANCE:g}% of the scale of the ceiling of a saturating fit, mean of non-English "
        f"languages; {reason}"
    )
    interval = (estimate.low, estimate.high)
    return statement.tested(estimate.samples, interval, definition, verdict(inside, tight, rises_at_all), curve)


def data_ratio(study: Study) -> Claim:
    """Returns the claim on the ratio of samples at the best run, math against instruction following."""
    claim = f"{SMALL}: math needs about 13 times the multilingual data of instruction following to reach its peak"
    statement = Statement(study, claim, "13")
    curves = [statement.curve(SMALL, task) for task in ("math", "instruction")]
    best_sizes, resampled_sizes = [], []
    for seed, curve in enumerate(curves):
        sizes = np.array([point.samples_per_language for point in curve.points[1:]], dtype=float)
        series = values(study, curve, claims.mean_score)[1:]
        best_sizes.append(sizes[int(np.argmax(series))])
        noise = noise_of(study, curve, claims.mean_score)
        resampled_sizes.append(sizes[resampled_peaks(series, noise.standard_deviation, seed)])
    low, high = _ends(resampled_sizes[0] / resampled_sizes[1])
    ratio = float(best_sizes[0] / best_sizes[1])
    reason = "" if low > 1 else "; with run-to-run noise the best run can be anywhere in the interval"
    definition = (
        f"n of the best run, math ({best_sizes[0]:g}) / instruction following ({best_sizes[1]:g}), mean of non-English "
        f"languages, n > 0. The number follows as {best_sizes[0]:g} / {best_sizes[1]:g}{reason}"
    )
    return statement.tested(ratio, (low, high), definition, verdict(claims.agrees(ratio, 13, 0.5), low > 1), *curves)


def english_is_enough(study: Study, task: str) -> Claim:
    """Returns the claim that multilingual data adds little to English alone at the largest model."""
    claim = f"{task_label(task)}, {LARGE}: English alone is about as good as multilingual data"
    statement = Statement(study, claim, "comparable")
    curve = statement.curve(LARGE, task)
    series = values(study, curve, claims.relative_to_english)
    value = float(np.mean(series[1:])) - series[0]
    half_width = noise_of(study, curve, claims.relative_to_english).half_width(1 + 1 / (len(series) - 1))
    enough = value + half_width < _WORTH_IT
    reason = "" if enough else "; the interval includes larger gains, so the claim is not confirmed"
    definition = (
        "mean of all runs with n > 0 minus n = 0 of performance relative to English; comparable when multilingual data "
        f"adds less than {100 * _WORTH_IT:g} points{reason}"
    )
    return statement.tested(value, around(value, half_width), definition, verdict(enough), curve)


def best_mixed_run(study: Study, model: str, published: float) -> Claim:
    """Returns the claim on the best mixed against the best single-task run in math: a loss at 7B, none at 35B."""
    verb, published_text = (
        ("costs accuracy", "8 points less") if published else ("does not cost accuracy", "at least as good")
    )
    statement = Statement(study, f"Math, {model}: training on other tasks too {verb}", published_text)
    single, mixed = statement.curve(model, "math"), statement.curve(model, "math", "multi")
    value, low, high = _difference_of_peaks(study, mixed, single)
    follows = claims.agrees(value, published) if published else value >= -claims.ROUNDING
    certain = high < 0 if published else low > -0.02
    reason = "" if follows and certain else "; the interval includes losses of more than 2 points"
    definition = (
        "best mixed run minus best single-task run, mean accuracy of non-English languages; the interval is corrected "
        f"for the optimism of picking the best of {len(mixed.points)} and of {len(single.points)} runs{reason}"
    )
    return statement.tested(value, (low, high), definition, verdict(follows, certain), single, mixed)


def _difference_of_peaks(study: Study, mixed: Curve, single: Curve) -> tuple[float, float, float]:
    noises = [noise_of(study, curve, claims.mean_score) for curve in (mixed, single)]
    peaks = [
        peak(values(study, curve, claims.mean_score), noise.standard_deviation)
        for curve, noise in zip((mixed, single), noises, strict=True)
    ]
    value = peaks[0].value - peaks[1].value
    centre = peaks[0].corrected - peaks[1].corrected
    # The smaller of the two degrees of freedom is conservative: Welch's interval is never wider.
    fewest = min(noises, key=lambda noise: noise.degrees_of_freedom)
    deviation = hypot(*(noise.standard_deviation for noise in noises))
    half_width = fewest.half_width(1.0) / fewest.standard_deviation * deviation if fewest.is_known else nan
    return value, *around(centre, half_width)


def share(study: Study, task: str, published: float) -> Claim:
    """Returns the claim on the share of the English score that mixed training reaches at 7B."""
    claim = f"{task_label(task)}, {SMALL}: mixed training reaches about {100 * published:g}% of English"
    statement = Statement(study, claim, f"{100 * published:g}%")
    curve = statement.curve(SMALL, task, "multi")
    noise = noise_of(study, curve, claims.relative_to_english)
    best = peak(values(study, curve, claims.relative_to_english), noise.standard_deviation)
    low, high = around(best.corrected, noise.half_width(1.0))
    follows = claims.agrees(best.value, published, _APPROXIMATE)
    reason = "" if follows else f"; the printed scores give {100 * best.value:.0f}%"
    definition = (
        f"best run (n = {curve.points[best.index].samples_per_language}) of mean(non-English languages) / English; the "
        f"interval is corrected for the optimism of picking the best of {len(curve.points)} runs{reason}"
    )
    inside = low <= published + _APPROXIMATE and high >= published - _APPROXIMATE
    return statement.tested(best.value, (low, high), definition, verdict(follows, inside), curve)


def less_math_data(study: Study) -> Claim:
    """Returns the claim that mixed runs reach the best single-task math score with fewer math samples at 35B."""
    claim = f"Math, {LARGE}: mixed training reaches the best single-task score with 11k instead of 18k math samples"
    statement = Statement(study, claim, "68% with 11,000")
    single, mixed = statement.curve(LARGE, "math"), statement.curve(LARGE, "math", "multi")
    needed, best = {}, {}
    for name, languages in (("without", _SEEN), ("with", (ENGLISH, *_SEEN))):
        statistic = claims.mean_over(languages)
        best[name] = max(values(study, single, statistic))
        mixed_scores = np.array([values(study, mixed, statistic)])
        needed[name] = float(_math_samples(mixed, mixed_scores, np.array([best[name]]))[0])
    resampled = _math_samples(mixed, _noisy_scores(study, mixed, 0), _noisy_scores(study, single, 1).max(axis=1))
    low, high = _ends(resampled)
    best_point = single.points[int(np.argmax(values(study, single, claims.mean_over(_SEEN))))]
    single_samples = 10_000 + 4 * best_point.samples_per_language
    certain = high < single_samples
    reason = "" if certain else f"; with run-to-run noise it may take more than the {single_samples:,} samples"
    definition = (
        "math samples (5,000 English and n in each of 4 languages) of the first mixed run within rounding of the best "
        f"single-task run, seen languages: {needed['without']:,.0f} by the study's definition, where English is not "
        f"seen and the score is {100 * best['without']:.0f}%; {needed['with']:,.0f} with English, where it is "
        f"{100 * best['with']:.0f}%{reason}"
    )
    follows = not isnan(needed["without"]) and claims.agrees(needed["without"], 11_000, 1)
    return statement.tested(needed["without"], (low, high), definition, verdict(follows, certain), single, mixed)


def _ends(resampled: Floats) -> tuple[float, float]:
    low, high = np.quantile(resampled, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _noisy_scores(study: Study, curve: Curve, seed: int) -> Floats:
    statistic = claims.mean_over(_SEEN)
    return add_noise(values(study, curve, statistic), noise_of(study, curve, statistic).standard_deviation, seed)


def _math_samples(mixed: Curve, scores: Floats, target: Floats) -> Floats:
    """Returns the math samples of the first mixed run that reaches the target, per row; infinite if none does."""
    samples = np.array([5_000.0 + 4 * point.samples_per_language for point in mixed.points])
    reached = scores >= target[:, None] - claims.ROUNDING
    return np.where(reached.any(axis=1), samples[reached.argmax(axis=1)], np.inf)
