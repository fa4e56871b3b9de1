"""What holds beyond single curves, as frames: how measures move with model size, how unseen languages follow."""

from __future__ import annotations

from math import isfinite
from typing import Any

import pandas as pd
from scipy.special import ndtri

from clt_ray.analysis import follow_rates as rates_of_study
from clt_ray.analysis.follow_rates import fit_boundary, leave_one_language_out
from clt_ray.analysis.scaling import MEASURES, fit_scale, leave_one_model_out, scale_rows
from clt_ray.analysis.study import Study
from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL

_RATE_COLUMNS = [
    "model", "setting", "task", "language_group", "eval_language", "shares_script", "shares_family", "follow_rate",
    "low", "high", "seen_gain", "run_ids",
]  # fmt: skip
_BOUNDARY_COLUMNS = ["term", "estimate", "low", "high", "n", "languages", "r2", "strength", "verdict", "run_ids"]


def scale(study: Study) -> pd.DataFrame:
    """Per measure of `scaling.MEASURES`: its change per tenfold parameters, and the test on models left out.

    `n` counts curves; `r2` and `covered` are those of `scaling.OutOfSample`; `strength` says how much these models can
    say. Without models whose names state their size the frame is empty.
    """
    found = []
    for measure in MEASURES:
        rows = scale_rows(study, measure)
        if rows:
            fitted, tested = fit_scale(rows), leave_one_model_out(rows)
            found.append(
                {"measure": measure, "models": "+".join(fitted.models), "slope": fitted.slope, "low": fitted.low}
                | {"high": fitted.high, "n": len(rows), "r2": tested.r2, "covered": tested.covered}
                | {"strength": fitted.strength, "verdict": tested.verdict}
            )
    columns = ["measure", "models", "slope", "low", "high", "n", "r2", "covered", "strength", "verdict"]
    return pd.DataFrame(found, columns=columns)


def scale_values(study: Study) -> pd.DataFrame:
    """The rows that `scale` is fitted to: a measure of a curve, with its standard error as far as it is known."""
    found = [
        {"measure": measure, "model": row.model, "parameters": row.parameters}
        | dict(zip(("task", "setting", "language_group"), row.stratum, strict=True))
        | {"value": row.value, "stderr": row.variance**0.5}
        for measure in MEASURES
        for row in scale_rows(study, measure)
    ]
    columns = ["measure", "model", "parameters", "task", "setting", "language_group", "value", "stderr"]
    return pd.DataFrame(found, columns=columns)


def follow_rates(study: Study) -> pd.DataFrame:
    """Per curve and unseen language: what it gains per unit gained by the seen mean (`boundary`)."""
    half = float(ndtri((1 + CONFIDENCE_LEVEL) / 2))
    found = [
        {name: getattr(rate, name) for name in ("model", "setting", "task", "language_group")}
        | {"eval_language": rate.language, "shares_script": rate.shares_script, "shares_family": rate.shares_family}
        | {"follow_rate": rate.rate, "low": rate.rate - half * rate.variance**0.5}
        | {"high": rate.rate + half * rate.variance**0.5, "seen_gain": rate.seen_gain}
        | {"run_ids": "+".join(rate.run_ids)}
        for rate in rates_of_study.follow_rates(study)
    ]
    return pd.DataFrame(found, columns=_RATE_COLUMNS)


def boundary(study: Study) -> pd.DataFrame:
    """Per term of the boundary model: what it adds to the follow rate; and the test on languages left out.

    `term` is `neither` for the rate of a language that shares neither script nor family with a training language. `n`
    counts rates. Without follow rates the frame is empty.
    """
    found = rates_of_study.follow_rates(study)
    if not found:
        return pd.DataFrame(columns=_BOUNDARY_COLUMNS)
    fitted, tested = fit_boundary(found), leave_one_language_out(found)
    runs = "+".join(dict.fromkeys(run for rate in found for run in rate.run_ids))
    rows: list[dict[str, Any]] = [
        {"term": effect.name, "estimate": effect.estimate, "low": effect.low, "high": effect.high, "n": len(found)}
        | {"languages": "+".join(fitted.languages), "r2": tested.r2, "strength": fitted.strength}
        | {"verdict": tested.verdict, "run_ids": runs}
        for effect in fitted.effects
        if isfinite(effect.estimate)
    ]
    return pd.DataFrame(rows, columns=_BOUNDARY_COLUMNS)
