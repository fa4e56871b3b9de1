"""Claims about seen and unseen languages (correlation, gap), and about the scripts of languages."""

from collections.abc import Iterator
from math import nan
from typing import Final

import numpy as np
from scipy.special import stdtrit

from clt_ray.analysis import transfer
from clt_ray.analysis.findings.claim import (
    LARGE,
    LLAMA,
    NOT_SUPPORTED,
    SMALL,
    SUPPORTED,
    TASKS,
    UNTESTABLE,
    Claim,
    agrees,
    find_curve,
    gap,
    mean_over,
    mean_score,
    noise_of,
    run_ids,
    untestable,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.run_noise import peak
from clt_ray.analysis.study import Study

_SPEARMAN: Final = (
    (SMALL, "instruction", 0.67, True), (SMALL, "summarization", 0.24, False), (SMALL, "math", 0.77, True),
    (LLAMA, "instruction", 0.83, True), (LLAMA, "summarization", 0.56, True), (LLAMA, "math", 0.88, True),
    (LARGE, "instruction", 0.51, True), (LARGE, "summarization", 0.39, True), (LARGE, "math", 0.49, True),
)  # fmt: skip
"""Model, task, published rho, and whether it is published with p < .05 (Table 2)."""
_SAME_GAP: Final = 0.02
"""Largest change of the gap that counts as constant, as a share of the metric's scale; it would not be visible in the
study's figures."""


def points_needed(rho: float) -> int:
    """Returns the smallest number of pairs at which a rank correlation has p < .05, two-sided, by Student's t test."""
    for n in range(4, 10_000):
        t = float(stdtrit(n - 2, 0.975))
        if rho >= t / np.sqrt(n - 2 + t * t):
            return n
    raise ValueError(f"no number of pairs makes {rho} significant")


def correlations(study: Study) -> Iterator[Claim]:
    """Yields the correlations between seen and unseen means of Table 2.

    The study does not publish the number of points behind them. Where the published p value needs more points than
    there are runs, the definition states it.
    """
    for model, task, published, significant in _SPEARMAN:
        claim = f"{task_label(task)}, {model}: seen and unseen languages improve together"
        published_text = f"Spearman {published:.2f}, {'p < .05' if significant else 'not significant'}"
        curve = find_curve(study, model, task)
        if curve is None:
            yield untestable(claim, published_text, f"single-task runs of {model}")
            continue
        result = transfer.transfer_correlation(study, curve)
        definition = (
            f"Spearman correlation of the seen and unseen means over the {result.n} single-task runs "
            f"(p = {result.p:.2g})"
        )
        if significant and points_needed(published) > result.n:
            definition += (
                f"; p < .05 at {published:.2f} needs {points_needed(published)} points or more, so the printed number "
                "was computed from other points than the published runs"
            )
        else:
            definition += "; the study does not state its number of points"
        if not result.low <= published <= result.high:
            outcome, reason = NOT_SUPPORTED, "the interval excludes the printed number"
        elif result.low > 0:
            outcome, reason = SUPPORTED, "the interval is above zero and includes the printed number"
        else:
            outcome, reason = UNTESTABLE, "the interval includes the printed number and zero"
        yield Claim(claim, published_text, result.spearman, result.low, result.high, f"{definition}; {reason}", outcome,
                    result.run_ids)  # fmt: skip


def constant_gap(study: Study) -> Iterator[Claim]:
    """Yields the claims that seen minus unseen stays at its value after training on English alone."""
    for model in (SMALL, LARGE, LLAMA):
        for task in TASKS:
            claim = f"{task_label(task)}, {model}: the gap between seen and unseen languages stays constant"
            curve = find_curve(study, model, task)
            if curve is None:
                yield untestable(claim, "constant", f"single-task runs of {model}")
                continue
            gaps = values(study, curve, gap)
            later_points = len(gaps) - 1
            value = float(np.mean(gaps[1:])) - gaps[0]
            half_width = noise_of(study, curve, gap).half_width(1 + 1 / later_points)
            low, high = value - half_width, value + half_width
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
            yield Claim(claim, "constant", value, low, high, definition, verdict(constant), run_ids([curve]))


def growing_gap(study: Study) -> Iterator[Claim]:
    """Yields the claim of Figure 12 that the gap of instruction following grows with data when tasks are mixed."""
    claim = f"Instruction following, {SMALL}, mixed tasks: the gap between seen and unseen languages grows with data"
    curve = find_curve(study, SMALL, "instruction", "multi")
    if curve is None:
        yield untestable(claim, "grows", f"mixed runs of {SMALL}")
        return
    gaps = np.array(values(study, curve, gap))
    middle = len(gaps) // 2
    value = float(gaps[middle:].mean() - gaps[:middle].mean()) if len(gaps) > 1 else nan
    weight = 1 / middle + 1 / (len(gaps) - middle)
    half_width = noise_of(study, curve, gap).half_width(weight)
    definition = "seen minus unseen, mean of the larger half of n minus mean of the smaller half, rating from 1 to 5"
    yield Claim(claim, "grows", value, value - half_width, value + half_width, definition,
                verdict(value - half_width > 0), run_ids([curve]))  # fmt: skip


_NON_LATIN: Final = ("ar", "ja", "ko", "zh")


def latin_in_math(study: Study) -> Iterator[Claim]:
    """Yields the claim on the best run trained on es fr against the best run trained on ja zh in math."""
    claim = f"Math, {SMALL}: training on Latin-script languages is better than on others"
    published_text = "37.4 against 36.6"
    latin, other = (find_curve(study, SMALL, "math", group=group) for group in ("latin", "non_latin"))
    if latin is None or other is None:
        yield untestable(claim, published_text, "runs of the groups latin and non_latin")
        return
    noise = noise_of(study, latin, mean_score)
    best = [peak(values(study, curve, mean_score), noise.standard_deviation) for curve in (latin, other)]
    value, half_width = best[0].value - best[1].value, noise.half_width()
    centre = best[0].corrected - best[1].corrected
    certain = centre - half_width > 0
    reason = "" if certain else ", but two runs that differ only in the seed may differ by more"
    definition = (
        "best run trained on es fr minus best run trained on ja zh, mean accuracy of non-English languages: "
        f"{100 * best[0].value:.1f} and {100 * best[1].value:.1f}. The number follows{reason}"
    )
    yield Claim(claim, published_text, value, centre - half_width, centre + half_width, definition,
                verdict(certain, agrees(value, 0.008)), run_ids([latin, other]))  # fmt: skip


def own_script(study: Study) -> Iterator[Claim]:
    """Yields the claims that languages in non-Latin scripts gain more from training languages in such scripts."""
    statistic = mean_over(_NON_LATIN)
    for task in ("summarization", "instruction"):
        claim = f"{task_label(task)}, {SMALL}: languages in other scripts need training data in other scripts"
        published_text = "higher in figures 6 and 7"
        non_latin, latin = (find_curve(study, SMALL, task, group=group) for group in ("non_latin", "latin"))
        if non_latin is None or latin is None:
            yield untestable(claim, published_text, "runs of the groups latin and non_latin")
            continue
        means = [float(np.mean(values(study, curve, statistic)[1:])) for curve in (non_latin, latin)]
        value = means[0] - means[1]
        weight = sum(1 / (len(curve.points) - 1) for curve in (non_latin, latin))
        half_width = noise_of(study, non_latin, statistic).half_width(weight)
        reason = "" if value - half_width > 0 else "; the interval includes zero"
        definition = (
            "mean of ar ja ko zh over all runs with n > 0 when trained on ja zh, minus the same when trained on es fr; "
            f"runs at n = 0 are equal by design and left out{reason}"
        )
        yield Claim(claim, published_text, value, value - half_width, value + half_width, definition,
                    verdict(value - half_width > 0), run_ids([non_latin, latin]))  # fmt: skip
