"""Tables of the models fitted over many curves: measures against model size, and follow rates of unseen languages."""

from math import isfinite
from typing import Final

import pandas as pd

from clt_ray.analysis import follow_rates as rates_of_study
from clt_ray.analysis.follow_rates import fit_boundary, leave_one_language_out
from clt_ray.analysis.scaling import MEASURES, fit_scale, leave_one_model_out, scale_rows
from clt_ray.analysis.study import Study
from clt_ray.analysis.uncertainty import Z

_RATE_COLUMNS: Final = [
    "model", "setting", "task", "language_group", "eval_language", "shares_script", "shares_family", "follow_rate",
    "low", "high", "seen_gain", "run_ids",
]  # fmt: skip
_BOUNDARY_COLUMNS: Final = [
    "term", "estimate", "low", "high", "n", "languages", "r2", "strength", "verdict", "run_ids",
]  # fmt: skip


def scale(study: Study) -> pd.DataFrame:
    """Returns the effect of model size on each measure of `scaling.MEASURES`, one row per measure.

    Columns: `measure`; `models`; `slope`, the change per tenfold number of parameters, with `low` and `high`; `n`, the
    number of curves; `r2`, `covered` and `verdict` of `scaling.OutOfSample`; `strength` of `scaling.ScaleModel`. The
    table is empty when no model's name states its size.
    """
    records = []
    for measure in MEASURES:
        rows = scale_rows(study, measure)
        if rows:
            fitted, tested = fit_scale(rows), leave_one_model_out(rows)
            labels = {"measure": measure, "models": "+".join(fitted.models), "n": len(rows)}
            records.append(vars(fitted) | vars(tested) | labels)
    columns = ["measure", "models", "slope", "low", "high", "n", "r2", "covered", "strength", "verdict"]
    return pd.DataFrame(records, columns=columns)


def scale_values(study: Study) -> pd.DataFrame:
    """Returns the values to which `scale` is fitted, one row per measure and curve.

    Columns: `measure, model, parameters, task, setting, language_group, value`; `stderr`, the standard error of the
    value as far as it is known.
    """
    strata = ("task", "setting", "language_group")
    records = [
        vars(row) | dict(zip(strata, row.stratum, strict=True)) | {"measure": measure, "stderr": row.variance**0.5}
        for measure in MEASURES
        for row in scale_rows(study, measure)
    ]
    columns = ["measure", "model", "parameters", "task", "setting", "language_group", "value", "stderr"]
    return pd.DataFrame(records, columns=columns)


def follow_rates(study: Study) -> pd.DataFrame:
    """Returns the follow rates (see `clt_ray.analysis.follow_rates`), one row per curve and unseen language.

    Columns: `model, setting, task, language_group, eval_language, shares_script, shares_family`; `follow_rate` with
    `low` and `high` (normal approximation); `seen_gain`, the largest gain of the seen mean; `run_ids`.
    """
    records = [
        vars(rate)
        | {"eval_language": rate.language, "follow_rate": rate.rate, "run_ids": "+".join(rate.run_ids)}
        | {"low": rate.rate - Z * rate.variance**0.5, "high": rate.rate + Z * rate.variance**0.5}
        for rate in rates_of_study.follow_rates(study)
    ]
    return pd.DataFrame(records, columns=_RATE_COLUMNS)


def boundary(study: Study) -> pd.DataFrame:
    """Returns the fixed effects of the boundary model (see `clt_ray.analysis.follow_rates`), one row per term.

    Columns: `term`, which is `neither` for the rate of a language that shares neither script nor family with a training
    language; `estimate`, `low`, `high`; `n`, the number of rates; `languages`; `r2` and `verdict` of the test on
    languages left out; `strength`; `run_ids`. The table is empty without follow rates.
    """
    rates = rates_of_study.follow_rates(study)
    if not rates:
        return pd.DataFrame(columns=_BOUNDARY_COLUMNS)
    fitted, tested = fit_boundary(rates), leave_one_language_out(rates)
    facts = {"n": len(rates), "languages": "+".join(fitted.languages), "strength": fitted.strength}
    facts |= {"r2": tested.r2, "verdict": tested.verdict}
    facts |= {"run_ids": "+".join(dict.fromkeys(run for rate in rates for run in rate.run_ids))}
    rows = [vars(effect) | facts | {"term": effect.name} for effect in fitted.effects if isfinite(effect.estimate)]
    return pd.DataFrame(rows, columns=_BOUNDARY_COLUMNS)
