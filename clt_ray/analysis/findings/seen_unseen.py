"""Claims about languages that were trained on and languages that were not."""

from __future__ import annotations

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
    find,
    gap,
    missing,
    noise_around,
    run_ids,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.study import Study

_SPEARMAN: Final = (
    (SMALL, "instruction", 0.67, True), (SMALL, "summarization", 0.24, False), (SMALL, "math", 0.77, True),
    (LLAMA, "instruction", 0.83, True), (LLAMA, "summarization", 0.56, True), (LLAMA, "math", 0.88, True),
    (LARGE, "instruction", 0.51, True), (LARGE, "summarization", 0.39, True), (LARGE, "math", 0.49, True),
)  # fmt: skip
"""Model, task, printed rho, and whether it is printed with p < .05 (Table 2)."""
_SAME_GAP: Final = 0.02
"""Of the metric's scale: a change of the gap that would not be seen in the study's figures."""


def points_needed(rho: float) -> int:
    """Smallest number of pairs at which a rank correlation has p < .05, two-sided, by Student's t."""
    for n in range(4, 10_000):
        t = float(stdtrit(n - 2, 0.975))
        if rho >= t / np.sqrt(n - 2 + t * t):
            return n
    raise ValueError(f"no number of pairs makes {rho} significant")


def correlations(study: Study) -> Iterator[Claim]:
    """Table 2. Its number of points is not published; where it must exceed that of the runs, that is said."""
    for model, task, published, significant in _SPEARMAN:
        claim = f"{task_label(task)}, {model}: seen and unseen languages improve together"
        told = f"Spearman {published:.2f}, {'p < .05' if significant else 'not significant'}"
        curve = find(study, model, task)
        if curve is None:
            yield missing(claim, told, f"single-task runs of {model}")
            continue
        found = transfer.transfer_correlation(study, curve)
        definition = f"Spearman of the seen and the unseen mean over the {found.n} single-task runs (p = {found.p:.2g})"
        if significant and points_needed(published) > found.n:
            definition += (
                f"; p < .05 at {published:.2f} needs {points_needed(published)} points or more, so the printed number "
                "is over other points than the published runs"
            )
        else:
            definition += "; the study does not say over how many points its number is"
        if not found.low <= published <= found.high:
            outcome, why = NOT_SUPPORTED, "the interval leaves the printed number out"
        elif found.low > 0:
            outcome, why = SUPPORTED, "the interval is above zero and holds the printed number"
        else:
            outcome, why = UNTESTABLE, "the interval holds the printed number and zero"
        yield Claim(claim, told, found.spearman, found.low, found.high, f"{definition}; {why}", outcome, found.run_ids)


def constant_gap(study: Study) -> Iterator[Claim]:
    """Whether seen minus unseen stays what English-only training left."""
    for model in (SMALL, LARGE, LLAMA):
        for task in TASKS:
            claim = f"{task_label(task)}, {model}: the gap between seen and unseen languages stays constant"
            curve = find(study, model, task)
            if curve is None:
                yield missing(claim, "constant", f"single-task runs of {model}")
                continue
            series = values(study, curve, gap)
            later = len(series) - 1
            value = float(np.mean(series[1:])) - series[0]
            half = noise_around(study, curve, gap).half_width(1 + 1 / later)
            low, high = value - half, value + half
            margin = _SAME_GAP * study.task_scores[task].metric.span
            constant = -margin < low and high < margin
            if constant:
                why = "the interval is within it"
            elif low > 0 or high < 0:
                why = "the gap " + ("widens" if low > 0 else "narrows") + ": the interval leaves zero out"
            else:
                why = "the interval is wider than that, so these runs cannot tell"
            definition = (
                f"seen minus unseen, mean of all runs with n > 0 minus n = 0; constant within ±{margin:g}, "
                f"{100 * _SAME_GAP:g}% of the scale; {why}"
            )
            yield Claim(claim, "constant", value, low, high, definition, verdict(constant), run_ids([curve]))


def growing_gap(study: Study) -> Iterator[Claim]:
    """Figure 12: the gap of instruction following grows with data when tasks are mixed."""
    claim = f"Instruction following, {SMALL}, mixed tasks: the gap between seen and unseen languages grows with data"
    curve = find(study, SMALL, "instruction", "multi")
    if curve is None:
        yield missing(claim, "grows", f"mixed runs of {SMALL}")
        return
    series = np.array(values(study, curve, gap))
    half_way = len(series) // 2
    value = float(series[half_way:].mean() - series[:half_way].mean()) if len(series) > 1 else nan
    weight = 1 / half_way + 1 / (len(series) - half_way)
    half = noise_around(study, curve, gap).half_width(weight)
    definition = "seen minus unseen, mean of the larger half of n minus mean of the smaller half, rating from 1 to 5"
    yield Claim(claim, "grows", value, value - half, value + half, definition, verdict(value - half > 0),
                run_ids([curve]))  # fmt: skip
