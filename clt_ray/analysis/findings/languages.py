"""Claims about seen and unseen languages (correlation, gap), and about the scripts of languages."""

from typing import Final

import numpy as np

from clt_ray.analysis import transfer
from clt_ray.analysis.findings import claim as claims
from clt_ray.analysis.findings.claim import Claim, Statement, around, noise_of, values, verdict
from clt_ray.analysis.run_noise import peak
from clt_ray.analysis.uncertainty import t_quantile

_SAME_GAP: Final = 0.02
"""Largest change of the gap that counts as constant, as a share of the metric's scale; it would not be visible in the
study's figures."""
_NON_LATIN: Final = ("ar", "ja", "ko", "zh")


def points_needed(rho: float) -> int:
    """Returns the smallest number of pairs at which a rank correlation has p < .05, two-sided, by Student's t test.

    Raises:
        ValueError: No number of pairs below 10,000 suffices.
    """
    for n in range(4, 10_000):
        t = t_quantile(n - 2)
        if rho >= t / np.sqrt(n - 2 + t * t):
            return n
    raise ValueError(f"no number of pairs makes {rho} significant")


def correlation(statement: Statement, model: str, task: str, published: float, significance: str) -> Claim:
    """Returns the claim of Table 2 on the correlation between the seen and the unseen means.

    The study does not publish the number of points behind it. Where the published p value needs more points than there
    are runs, the definition states it.
    """
    curve = statement.curve(model, task)
    result, _ = transfer.transfer_correlation(statement.study, curve)
    needed = points_needed(published) if significance == "p < .05" else 0
    if not result.low <= published <= result.high:
        outcome, reason = claims.NOT_SUPPORTED, "excluded"
    elif result.low > 0:
        outcome, reason = claims.SUPPORTED, "above"
    else:
        outcome, reason = claims.UNTESTABLE, "undecided"
    basis = "needs" if needed > result.n else "unstated"
    ends = (result.low, result.high)
    return statement.tested(
        result.spearman, ends, outcome, [curve], basis, reason, n=result.n, p=result.p, needed=needed
    )


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
