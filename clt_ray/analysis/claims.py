"""The reference study's findings as executable claims that are recomputed from scores, one row of a table for each.

A claim is supported when its number follows from the scores and the interval is consistent with the claim alone. It is
not supported when either condition fails, and untestable when the scores lack the runs or the precision; the definition
states which. The published scores have one run per grid cell and no item scores, so intervals come from run-to-run
noise. The test items are the same for all runs and held fixed.

Of several possible definitions, the one that reproduces the study's figures is used. A peak is the best run minus the
run at n = 0, as published; its interval is corrected for the optimism of picking the best run (see `run_noise.peak`).

**Example.** In instruction following at 7B, the best of eight runs reaches .918 of the English score and the run at
n = 0 .850, so the rise is 6.8 points, as published. The run-to-run standard deviation is .013 and the optimism of
picking the best of eight runs about 1 point, so the interval is 5.7 +- 4.0 points: supported.
"""

from collections.abc import Callable
from math import nan
from typing import Final

import pandas as pd

from clt_ray.analysis.findings import tested
from clt_ray.analysis.findings.claim import NOT_SUPPORTED, SUPPORTED, UNTESTABLE, Claim, Statement, Untestable, findings
from clt_ray.analysis.study import Study

__all__ = ["COLUMNS", "NOT_SUPPORTED", "SUPPORTED", "UNTESTABLE", "Claim", "claims", "table"]

COLUMNS: Final = ("claim", "published", "recomputed", "low", "high", "definition", "verdict")
"""Columns of the table of claims."""

_TESTS: Final[tuple[Callable[..., Claim], ...]] = (
    tested.rise, tested.plateau, tested.data_ratio, tested.english_is_enough, tested.correlation,
    tested.constant_gap, tested.growing_gap, tested.best_mixed_run, tested.share, tested.less_math_data,
    tested.latin_in_math, tested.own_script,
)  # fmt: skip
"""Functions that test a finding, each named as the finding in `findings.yaml`."""


def claims(study: Study) -> tuple[Claim, ...]:
    """Returns all claims, recomputed; claims about runs that the study lacks are untestable.

    Args:
        study: Made from `reference.reference_scores`, or from other runs whose models have the reference study's names.
    """
    found = []
    for test in _TESTS:
        for instance in findings()[test.__name__]["instances"]:
            statement = Statement(study, test.__name__, instance)
            try:
                found.append(test(statement, **instance))
            except Untestable as missing:
                found.append(statement.claim(nan, (nan, nan), str(missing), UNTESTABLE, ()))
    return tuple(found)


def table(study: Study) -> pd.DataFrame:
    """Returns the claims as a frame with the columns `COLUMNS`, one row per claim."""
    return pd.DataFrame([vars(claim) for claim in claims(study)], columns=list(COLUMNS))
