"""The reference study's findings as statements that can be recomputed.

    claim                what the study says
    published            the number it gives, or its words
    recomputed           the same quantity from scores, by a stated definition
    low, high            95% interval, from how much runs differ that differ in nothing (`noise`)
    verdict              SUPPORTED, NOT_SUPPORTED, or UNTESTABLE when the scores cannot decide

A claim is supported when its number follows from the scores *and* the interval leaves no doubt about what it says. It
is not supported when either fails; the definition tells which. The published scores have one run per cell and no
items, so intervals rest on run-to-run differences alone; test items are the same for all runs and stay fixed.

The definitions are those that reproduce the study's figures where any does. A peak is given as published, the best
run against a start; the luck of picking the best of eight or sixteen runs is taken off in the interval (`peak`).

**Example.** Instruction following at 7B: the best of eight runs has .918 of English, the n = 0 run .850, so the rise
is 6.8 points as published. Runs differ by .013 when they differ in nothing, the best of these eight is expected to be
lucky by about 1 point, and the interval is 5.7 plus or minus 4.0 points: supported.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from clt_ray.analysis.findings import mixed_tasks, scripts, seen_unseen, single_task
from clt_ray.analysis.findings.claim import NOT_SUPPORTED, SUPPORTED, UNTESTABLE, Claim
from clt_ray.analysis.study import Study

__all__ = ["COLUMNS", "NOT_SUPPORTED", "SUPPORTED", "UNTESTABLE", "Claim", "claims", "table"]

COLUMNS: Final = ("claim", "published", "recomputed", "low", "high", "definition", "verdict")
"""Of the table."""

_MAKERS: Final = (
    single_task.rises,
    single_task.plateaus,
    single_task.data_ratio,
    single_task.english_is_enough,
    seen_unseen.correlations,
    seen_unseen.constant_gap,
    seen_unseen.growing_gap,
    mixed_tasks.best_runs,
    mixed_tasks.shares,
    mixed_tasks.less_math_data,
    scripts.latin_in_math,
    scripts.own_script,
)


def claims(study: Study) -> tuple[Claim, ...]:
    """All claims; those about runs that the study lacks cannot be tested.

    Args:
        study: Made from `reference.reference_scores`, or own runs whose models carry the study's names.
    """
    return tuple(claim for make in _MAKERS for claim in make(study))


def table(study: Study) -> pd.DataFrame:
    """The claims as a frame with `COLUMNS`."""
    return pd.DataFrame([vars(claim) for claim in claims(study)], columns=list(COLUMNS))
