"""Claims about seen and unseen languages (correlation, gap), and about the scripts of languages."""

from typing import Final

import numpy as np

from clt_ray.analysis import transfer
from clt_ray.analysis.findings import claim as claims
from clt_ray.analysis.findings.claim import (
    LARGE,
    LLAMA,
    SMALL,
    TASKS,
    Claim,
    Statement,
    around,
    noise_of,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.run_noise import peak
from clt_ray.analysis.study import Study
from clt_ray.analysis.uncertainty import t_quantile

CORRELATIONS: Final = (
    (SMALL, "instruction", 0.67, True), (SMALL, "summarization", 0.24, False), (SMALL, "math", 0.77, True),
    (LLAMA, "instruction", 0.83, True), (LLAMA, "summarization", 0.56, True), (LLAMA, "math", 0.88, True),
    (LARGE, "instruction", 0.51, True), (LARGE, "summarization", 0.39, True), (LARGE, "math", 0.49, True),
)  # fmt: skip
"""Model, task, published rho, and whether it is published with p < .05 (Table 2)."""
GAPS: Final = tuple((model, task) for model in (SMALL, LARGE, LLAMA) for task in TASKS)
"""Models and tasks for which the study finds that the gap stays constant."""
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


def correlation(study: Study, model: str, task: str, published: float, significant: bool) -> Claim:
    """Returns the claim of Table 2 on the correlation between the seen and the unseen means.

    The study does not publish the number of points behind it. Where the published p value needs more points than there
    are runs, the definition states it.
    """
    published_text = f"Spearman {published:.2f}, {'p < .05' if significant else 'not significant'}"
    statement = Statement(
        study, f"{task_label(task)}, {model}: seen and unseen languages improve together", published_text
    )
    curve = statement.curve(model, task)
    result = transfer.transfer_correlation(study, curve)
    definition = (
        f"Spearman correlation of the seen and unseen means over the {result.n} single-task runs (p = {result.p:.2g})"
    )
    if significant and points_needed(published) > result.n:
        definition += (
            f"; p < .05 at {published:.2f} needs {points_needed(published)} points or more, so the printed number was "
            "computed from other points than the published runs"
        )
    else:
        definition += "; the study does not state its number of points"
    if not result.low <= published <= result.high:
        outcome, reason = claims.NOT_SUPPORTED, "the interval excludes the printed number"
    elif result.low > 0:
        outcome, reason = claims.SUPPORTED, "the interval is above zero and includes the printed number"
    else:
        outcome, reason = claims.UNTESTABLE, "the interval includes the printed number and zero"
    interval = (result.low, result.high)
    return statement.tested(result.spearman, interval, f"{definition}; {reason}", outcome, curve)


def constant_gap(study: Study, model: str, task: str) -> Claim:
    """Returns the claim that seen minus unseen stays at its value after training on English alone."""
    claim = f"{task_label(task)}, {model}: the gap between seen and unseen languages stays constant"
    statement = Statement(study, claim, "constant")
    curve = statement.curve(model, task)
    gaps = values(study, curve, claims.gap)
    value = float(np.mean(gaps[1:])) - gaps[0]
    low, high = around(value, noise_of(study, curve, claims.gap).half_width(1 + 1 / (len(gaps) - 1)))
    margin = _SAME_GAP * study.task_scores[task].metric.span
    constant = -margin < low and high < margin
    if constant:
        reason = "the interval is within these bounds"
    elif low > 0 or high < 0:
        reason = "the gap " + ("widens" if low > 0 else "narrows") + ": the interval excludes zero"
    else:
        reason = "the interval exceeds these bounds, so the claim is not confirmed"
    definition = (
        f"seen minus unseen, mean of all runs with n > 0 minus n = 0; constant within ±{margin:g}, "
        f"{100 * _SAME_GAP:g}% of the scale; {reason}"
    )
    return statement.tested(value, (low, high), definition, verdict(constant), curve)


def growing_gap(study: Study) -> Claim:
    """Returns the claim of Figure 12 that the gap of instruction following grows with data when tasks are mixed."""
    claim = f"Instruction following, {SMALL}, mixed tasks: the gap between seen and unseen languages grows with data"
    statement = Statement(study, claim, "grows")
    curve = statement.curve(SMALL, "instruction", "multi")
    gaps = np.array(values(study, curve, claims.gap))
    middle = len(gaps) // 2
    value = float(gaps[middle:].mean() - gaps[:middle].mean())
    half_width = noise_of(study, curve, claims.gap).half_width(1 / middle + 1 / (len(gaps) - middle))
    definition = "seen minus unseen, mean of the larger half of n minus mean of the smaller half, rating from 1 to 5"
    return statement.tested(value, around(value, half_width), definition, verdict(value > half_width), curve)


def latin_in_math(study: Study) -> Claim:
    """Returns the claim on the best run trained on es fr against the best run trained on ja zh in math."""
    claim = f"Math, {SMALL}: training on Latin-script languages is better than on others"
    statement = Statement(study, claim, "37.4 against 36.6")
    curves = [statement.curve(SMALL, "math", group=group) for group in ("latin", "non_latin")]
    noise = noise_of(study, curves[0], claims.mean_score)
    latin, other = (peak(values(study, curve, claims.mean_score), noise.standard_deviation) for curve in curves)
    value, interval = latin.value - other.value, around(latin.corrected - other.corrected, noise.half_width())
    certain = interval[0] > 0
    reason = "" if certain else ", but two runs that differ only in the seed may differ by more"
    definition = (
        "best run trained on es fr minus best run trained on ja zh, mean accuracy of non-English languages: "
        f"{100 * latin.value:.1f} and {100 * other.value:.1f}. The number follows{reason}"
    )
    return statement.tested(value, interval, definition, verdict(certain, claims.agrees(value, 0.008)), *curves)


def own_script(study: Study, task: str) -> Claim:
    """Returns the claim that languages in non-Latin scripts gain more from training languages in such scripts."""
    claim = f"{task_label(task)}, {SMALL}: languages in other scripts need training data in other scripts"
    statement = Statement(study, claim, "higher in figures 6 and 7")
    statistic = claims.mean_over(_NON_LATIN)
    curves = [statement.curve(SMALL, task, group=group) for group in ("non_latin", "latin")]
    non_latin, latin = (float(np.mean(values(study, curve, statistic)[1:])) for curve in curves)
    value = non_latin - latin
    half_width = noise_of(study, curves[0], statistic).half_width(sum(1 / (len(c.points) - 1) for c in curves))
    reason = "" if value > half_width else "; the interval includes zero"
    definition = (
        "mean of ar ja ko zh over all runs with n > 0 when trained on ja zh, minus the same when trained on es fr; "
        f"runs at n = 0 are equal by design and left out{reason}"
    )
    return statement.tested(value, around(value, half_width), definition, verdict(value > half_width), *curves)
