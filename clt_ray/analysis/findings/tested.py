"""Functions that test the findings of `findings.yaml`, each of the name of its finding."""

from math import hypot, isfinite, isnan, nan
from typing import Final

import numpy as np

from clt_ray.analysis import transfer
from clt_ray.analysis.advice import TOLERANCE
from clt_ray.analysis.findings import claim as claims
from clt_ray.analysis.findings.claim import Claim, Statement, around, noise_of, values, verdict
from clt_ray.analysis.run_noise import add_noise, peak
from clt_ray.analysis.saturation import FALLING, FLAT, Series, saturation
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats, t_quantile

_WORTH_IT: Final = 0.05
"""Smallest gain in performance relative to English that counts as an advantage of multilingual data."""
_APPROXIMATE: Final = 0.03
"""Tolerance for shares that the study introduces with "around" and "a little over"."""
_SEEN: Final = ("es", "fr", "ja", "zh")
_SAME_GAP: Final = 0.02
"""Largest change of the gap that counts as constant, as a share of the scale; the study's figures would not show it."""
_NON_LATIN: Final = ("ar", "ja", "ko", "zh")


def rise(statement: Statement, model: str, task: str, published: float, over: str) -> Claim:
    """Returns the claim on the rise of performance relative to English from n = 0 to the best run."""
    study, curve = statement.study, statement.curve(model, task)
    series = values(study, curve, claims.relative_to_english)
    noise = noise_of(study, curve, claims.relative_to_english)
    best = peak(series, noise.standard_deviation)
    value = best.value - series[0]
    low, high = around(value - best.optimism, noise.half_width())
    follows = value >= published - claims.ROUNDING if over else claims.agrees(value, published)
    facts = {"n": curve.points[best.index].samples_per_language, "runs": len(series), "optimism": 100 * best.optimism}
    return statement.tested(
        value, (low, high), verdict(follows, low > 0), [curve], "" if follows else "differs", "" if low > 0 else "zero",
        **facts, recomputed=100 * value, without_arabic=100 * _rise_without_arabic(study, curve),
    )  # fmt: skip


def _rise_without_arabic(study: Study, curve: Curve) -> float:
    """Returns the rise without Arabic (near 0 in math at 7B), where the study's figures agree best with its tables."""
    languages = study.task_scores[curve.task].languages
    others = claims.mean_over([code for code in languages if code not in (ENGLISH, "ar")])
    series = [others(study, curve, p) / claims.mean_over([ENGLISH])(study, curve, p) for p in curve.points]
    return max(series) - series[0]


def plateau(statement: Statement, model: str, task: str, where: str, first: int, last: int) -> Claim:
    """Returns the claim on where a curve levels off, which the study read off a figure without a definition."""
    study, curve = statement.study, statement.curve(model, task)
    fit = saturation(Series.of(study, curve), TOLERANCE * study.task_scores[task].metric.span)
    estimate = fit.plateau
    inside = estimate.low <= last and estimate.high >= first
    tight = isfinite(estimate.high) and estimate.high <= 2 * last
    rises_at_all = fit.verdict not in (FLAT, FALLING)
    reason = "no_rise" if not rises_at_all else "outside" if not inside else "inside" if tight else "wide"
    outcome, ends = verdict(inside, tight, rises_at_all), (estimate.low, estimate.high)
    tolerance = 100 * TOLERANCE
    return statement.tested(estimate.samples, ends, outcome, [curve], reason, tolerance=tolerance, shape=fit.verdict)


def data_ratio(statement: Statement, model: str) -> Claim:
    """Returns the claim on the ratio of samples at the best run, math against instruction following."""
    study, tasks = statement.study, ("math", "instruction")
    curves = [statement.curve(model, task) for task in tasks]
    best_sizes, resampled_sizes = [], []
    for seed, curve in enumerate(curves):
        sizes = np.array([point.samples_per_language for point in curve.points[1:]], dtype=float)
        series = values(study, curve, claims.mean_score)[1:]
        best_sizes.append(sizes[int(np.argmax(series))])
        noise = noise_of(study, curve, claims.mean_score)
        resampled_sizes.append(sizes[add_noise(series, noise.standard_deviation, seed).argmax(axis=1)])
    low, high = _ends(resampled_sizes[0] / resampled_sizes[1])
    ratio = float(best_sizes[0] / best_sizes[1])
    outcome, reason = verdict(claims.agrees(ratio, 13, 0.5), low > 1), "" if low > 1 else "noise"
    return statement.tested(ratio, (low, high), outcome, curves, reason, **dict(zip(tasks, best_sizes, strict=True)))


def english_is_enough(statement: Statement, model: str, task: str) -> Claim:
    """Returns the claim that multilingual data adds little to English alone at the largest model."""
    study, curve = statement.study, statement.curve(model, task)
    series = values(study, curve, claims.relative_to_english)
    value = float(np.mean(series[1:])) - series[0]
    half_width = noise_of(study, curve, claims.relative_to_english).half_width(1 + 1 / (len(series) - 1))
    enough = value + half_width < _WORTH_IT
    interval, reason = around(value, half_width), "" if enough else "larger"
    return statement.tested(value, interval, verdict(enough), [curve], reason, worth_it=100 * _WORTH_IT)


def best_mixed_run(statement: Statement, model: str, published: float, **_: str) -> Claim:
    """Returns the claim on the best mixed against the best single-task run in math: a loss at 7B, none at 35B."""
    single, mixed = statement.curve(model, "math"), statement.curve(model, "math", "multi")
    noises = [noise_of(statement.study, curve, claims.mean_score) for curve in (mixed, single)]
    mixed_peak, single_peak = (
        peak(values(statement.study, curve, claims.mean_score), noise.standard_deviation)
        for curve, noise in zip((mixed, single), noises, strict=True)
    )
    value = mixed_peak.value - single_peak.value
    # The smaller of the two degrees of freedom is conservative: Welch's interval is never wider.
    fewest = min(noises, key=lambda noise: noise.degrees_of_freedom)
    deviation = hypot(*(noise.standard_deviation for noise in noises))
    half_width = fewest.half_width(1.0) / fewest.standard_deviation * deviation if fewest.is_known else nan
    low, high = around(mixed_peak.corrected - single_peak.corrected, half_width)
    follows = claims.agrees(value, published) if published else value >= -claims.ROUNDING
    certain = high < 0 if published else low > -0.02
    reason = "" if follows and certain else "losses"
    runs = {"mixed_runs": len(mixed.points), "single_runs": len(single.points)}
    return statement.tested(value, (low, high), verdict(follows, certain), [single, mixed], reason, **runs)


def share(statement: Statement, model: str, task: str, published: float) -> Claim:
    """Returns the claim on the share of the English score that mixed training reaches at 7B."""
    study, curve = statement.study, statement.curve(model, task, "multi")
    noise = noise_of(study, curve, claims.relative_to_english)
    best = peak(values(study, curve, claims.relative_to_english), noise.standard_deviation)
    low, high = around(best.corrected, noise.half_width(1.0))
    follows = claims.agrees(best.value, published, _APPROXIMATE)
    inside = low <= published + _APPROXIMATE and high >= published - _APPROXIMATE
    facts = {"n": curve.points[best.index].samples_per_language, "runs": len(curve.points)}
    outcome, reason = verdict(follows, inside), "" if follows else "differs"
    return statement.tested(best.value, (low, high), outcome, [curve], reason, recomputed=100 * best.value, **facts)


def less_math_data(statement: Statement, model: str) -> Claim:
    """Returns the claim that mixed runs reach the best single-task math score with fewer math samples at 35B."""
    study = statement.study
    single, mixed = statement.curve(model, "math"), statement.curve(model, "math", "multi")
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
    follows = not isnan(needed["without"]) and claims.agrees(needed["without"], 11_000, 1)
    outcome, reason = verdict(follows, certain), "" if certain else "more"
    return statement.tested(
        needed["without"], (low, high), outcome, [single, mixed], reason, single=single_samples,
        without=needed["without"], with_english=needed["with"], best_without=100 * best["without"],
        best_with=100 * best["with"],
    )  # fmt: skip


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


def points_needed(rho: float) -> int:
    """Returns the fewest pairs at which `rho` has p < .05, two-sided, by Student's t; `ValueError` if 10,000 do not."""
    for n in range(4, 10_000):
        t = t_quantile(n - 2)
        if rho >= t / np.sqrt(n - 2 + t * t):
            return n
    raise ValueError(f"no number of pairs makes {rho} significant")


def correlation(statement: Statement, model: str, task: str, published: float, significance: str) -> Claim:
    """Returns the claim of Table 2 on the correlation between the seen and the unseen means.

    The study does not publish its number of points. The definition states where its p value needs more than the runs.
    """
    curve = statement.curve(model, task)
    rank, _ = transfer.transfer_correlation(statement.study, curve)
    needed = points_needed(published) if significance == "p < .05" else 0
    if not rank.low <= published <= rank.high:
        outcome, reason = claims.NOT_SUPPORTED, "excluded"
    elif rank.low > 0:
        outcome, reason = claims.SUPPORTED, "above"
    else:
        outcome, reason = claims.UNTESTABLE, "undecided"
    basis = "needs" if needed > rank.n else "unstated"
    ends = (rank.low, rank.high)
    return statement.tested(rank.spearman, ends, outcome, [curve], basis, reason, n=rank.n, p=rank.p, needed=needed)


def constant_gap(statement: Statement, model: str, task: str) -> Claim:
    """Returns the claim that seen minus unseen stays at its value after training on English alone."""
    study, curve = statement.study, statement.curve(model, task)
    gaps = values(study, curve, claims.gap)
    value = float(np.mean(gaps[1:])) - gaps[0]
    low, high = around(value, noise_of(study, curve, claims.gap).half_width(1 + 1 / (len(gaps) - 1)))
    margin = _SAME_GAP * study.task_scores[task].metric.span
    constant = -margin < low and high < margin
    reason = "within" if constant else "widens" if low > 0 else "narrows" if high < 0 else "exceeds"
    facts = {"margin": margin, "same_gap": 100 * _SAME_GAP}
    return statement.tested(value, (low, high), verdict(constant), [curve], reason, **facts)


def growing_gap(statement: Statement, model: str, task: str) -> Claim:
    """Returns the claim of Figure 12 that the gap of instruction following grows with data when tasks are mixed."""
    curve = statement.curve(model, task, "multi")
    gaps = np.array(values(statement.study, curve, claims.gap))
    middle = len(gaps) // 2
    value = float(gaps[middle:].mean() - gaps[:middle].mean())
    noise = noise_of(statement.study, curve, claims.gap)
    half_width = noise.half_width(1 / middle + 1 / (len(gaps) - middle))
    return statement.tested(value, around(value, half_width), verdict(value > half_width), [curve])


def latin_in_math(statement: Statement, model: str) -> Claim:
    """Returns the claim on the best run trained on es fr against the best run trained on ja zh in math."""
    study, curves = statement.study, [statement.curve(model, "math", group=group) for group in ("latin", "non_latin")]
    noise = noise_of(study, curves[0], claims.mean_score)
    latin, other = (peak(values(study, curve, claims.mean_score), noise.standard_deviation) for curve in curves)
    value, interval = latin.value - other.value, around(latin.corrected - other.corrected, noise.half_width())
    certain = interval[0] > 0
    outcome, reason = verdict(certain, claims.agrees(value, 0.008)), "" if certain else "noise"
    facts = {"latin": 100 * latin.value, "other": 100 * other.value}
    return statement.tested(value, interval, outcome, curves, reason, **facts)


def own_script(statement: Statement, model: str, task: str) -> Claim:
    """Returns the claim that languages in non-Latin scripts gain more from training languages in such scripts."""
    study, statistic = statement.study, claims.mean_over(_NON_LATIN)
    curves = [statement.curve(model, task, group=group) for group in ("non_latin", "latin")]
    non_latin, latin = (float(np.mean(values(study, curve, statistic)[1:])) for curve in curves)
    value = non_latin - latin
    half_width = noise_of(study, curves[0], statistic).half_width(sum(1 / (len(c.points) - 1) for c in curves))
    certain = value > half_width
    return statement.tested(value, around(value, half_width), verdict(certain), curves, "" if certain else "zero")
