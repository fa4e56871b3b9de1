"""How far unseen languages follow the seen ones (follow rate), and whether script or family predict it.

**Contract.** The *follow rate* of an unseen language in one curve is what the language gains per unit of gain of the
seen mean: the slope of the regression through the origin of

    score(n, language) - score(0, language)   on   seen(n) - seen(0),   over the points of the curve with n > 0.

A rate of 1 is full transfer, 0 none, and a negative rate is harm. Curves whose seen mean has no gain beyond its noise
have no follow rate. Over all rates, the *boundary* model is the mixed-effects model

    rate = intercept + a * [shares its script with a training language] + b * [shares its family with one]
           + language + curve + residual

with random effects for languages and curves. The value of the covariates is tested by predicting each language from the
others, because a relation that holds only for the languages it was fitted to is of no use. Intervals have as many
degrees of freedom as there are unseen languages beyond the number of fixed effects. With three unseen languages, as in
the main runs of the reference study, these are one or none.

**Example.** Seen languages rise from 0.2 to 0.4 and Korean from 0.1 to 0.15. The follow rate of Korean is 0.25.

A mixed-effects model with known error variances is

    y = X beta + sum_k u_k + e,    u_k ~ N(0, s_k^2 K_k),    e ~ N(0, diag(known))

`K_k` states how rows share the random effect k: for an effect per language, it is 1 where two rows belong to the same
language and 0 elsewhere. The standard deviations s_k are estimated by restricted maximum likelihood (REML; Patterson
and Thompson, Biometrika 58, 1971), and fixed effects by generalised least squares. Intervals use Student's t
distribution with degrees of freedom that the caller states, because with few groups they are few, however many rows
there are. Known error variances of single rows and arbitrary K_k are what common libraries for mixed-effects models
lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from clt_ray.analysis.saturation import Series, run_noise_around_fit
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats, Z, t_interval, t_quantile
from clt_ray.languages import LANGUAGES

COVARIATES: Final = ("script", "family")
TERMS: Final = {
    "neither": "Shares neither script nor family",
    "script": "Difference when it shares the script",
    "family": "Difference when it shares the family",
}
"""Fixed effects of the boundary model and their titles."""
RATE_COLUMNS: Final = [
    "model", "setting", "task", "language_group", "eval_language", "shares_script", "shares_family", "follow_rate",
    "low", "high", "seen_gain", "run_ids",
]  # fmt: skip
_CLEAR: Final = 2.0
"""Number of standard errors that the seen gain must exceed for a follow rate to be computed."""


def follow_rates(study: Study) -> pd.DataFrame:
    """Returns the follow rate of every unseen language in every curve with a clear gain of the seen mean.

    Columns: `model, setting, task, language_group, eval_language`; `shares_script` and `shares_family`, whether a
    training language, English included, has the script or the family of the language; `follow_rate` with `low` and
    `high` (normal approximation); `seen_gain`, the largest gain of the seen mean in the metric's stored unit;
    `run_ids`.
    """
    rows = []
    for seed, curve in enumerate(study.curves):
        if curve.origin is None or len(curve.points) < 2 or not curve.is_multilingual:
            continue
        rng = np.random.default_rng(seed)
        seen = Series.of(study, curve, "seen")
        seen_gains = _resampled_gains(seen, rng) if seen.samples else None
        if seen_gains is None:
            continue
        for language in filter(lambda code: curve.exposure(code) == "unseen", study.task_scores[curve.task].languages):
            series = Series.of(study, curve, [language])
            estimate = _rate_and_error(seen, seen_gains, series, rng) if series.samples else None
            if estimate is not None:
                rows.append(_row(curve, language) | estimate | {"seen_gain": max(seen.scores) - seen.scores[0]})
    return pd.DataFrame(rows, columns=RATE_COLUMNS)


def _resampled_gains(series: Series, rng: np.random.Generator) -> Floats | None:
    """Returns resampled gains over n = 0, shape (resamples, points - 1); None when their error is not known."""
    noise = run_noise_around_fit(series)
    if not series.has_stderr and np.isnan(noise):
        return None
    scores = series.resampled(0.0 if np.isnan(noise) else noise, rng)
    return np.asarray(scores[:, 1:] - scores[:, :1])


def _rate_and_error(
    seen: Series, seen_gains: Floats, series: Series, rng: np.random.Generator
) -> dict[str, float] | None:
    """Returns the follow rate and its interval; None when the seen gain does not exceed its noise."""
    language_gains = _resampled_gains(series, rng)
    if language_gains is None:
        return None
    mean_gain = seen_gains.mean(axis=1)
    if not mean_gain.mean() > _CLEAR * mean_gain.std():
        return None
    x = np.asarray(seen.scores[1:]) - seen.scores[0]
    rows = min(len(seen_gains), len(language_gains))
    rate = float(x @ (np.asarray(series.scores[1:]) - series.scores[0]) / (x @ x))
    # Delta method: the ratio itself has extreme values in resamples where the seen gain is near zero.
    error = float(np.std((language_gains[:rows] - rate * seen_gains[:rows]) @ x / (x @ x)))
    return {"follow_rate": rate, "low": rate - Z * error, "high": rate + Z * error}


def _row(curve: Curve, language: str) -> dict[str, Any]:
    trained = [LANGUAGES[code] for code in (ENGLISH, *curve.train_languages) if code in LANGUAGES]
    shares = {
        f"shares_{name}": language in LANGUAGES
        and getattr(LANGUAGES[language], name) in {getattr(other, name) for other in trained}
        for name in COVARIATES
    }
    run_ids = "+".join(run_id for point in curve.points for run_id in point.run_ids)
    columns = {name: getattr(curve, name) for name in ("model", "setting", "task", "language_group")}
    return columns | shares | {"eval_language": language, "run_ids": run_ids}


def boundary(study: Study) -> pd.DataFrame:
    """Returns the fixed effects of the boundary model, one row per term.

    Columns: `term`, which is `neither` for the rate of a language that shares neither script nor family with a training
    language, and `script` or `family` for what sharing it adds to the rate; `estimate`, `low`, `high` (NaN without
    degrees of freedom); `n`, the number of rates; `languages`; `r2` and `verdict` of `leave_one_language_out`;
    `strength` of the evidence, as a sentence; `run_ids`. The table is empty without follow rates.
    """
    rates = follow_rates(study)
    columns = ["term", "estimate", "low", "high", "n", "languages", "r2", "strength", "verdict", "run_ids"]
    if rates.empty:
        return pd.DataFrame(columns=columns)
    covariates, fit = fit_boundary(rates)
    r2, verdict = leave_one_language_out(rates)
    languages = sorted(rates["eval_language"].unique())
    run_ids = "+".join(dict.fromkeys(run for runs in rates["run_ids"] for run in runs.split("+")))
    facts = {"n": len(rates), "languages": "+".join(languages), "r2": r2, "verdict": verdict, "run_ids": run_ids}
    facts |= {"strength": _strength(languages, covariates, fit.degrees_of_freedom)}
    ends = [fit.interval(column) for column in range(len(fit.coefficients))]
    rows = [
        facts | {"term": term, "estimate": float(estimate), "low": low, "high": high}
        for term, estimate, (low, high) in zip(("neither", *covariates), fit.coefficients, ends, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def fit_boundary(rates: pd.DataFrame) -> tuple[list[str], MixedFit]:
    """Fits the boundary model to rows of `follow_rates`.

    Returns:
        The covariates whose effects can be separated from the intercept and from each other for these languages, and
        the fit, whose coefficients are the intercept and the effects of these covariates.
    """
    covariates: list[str] = []
    for name in COVARIATES:
        if np.linalg.matrix_rank(_design(rates, [*covariates, name])) == len(covariates) + 2:
            covariates.append(name)
    curves = list(rates[["model", "task", "setting", "language_group"]].itertuples(index=False, name=None))
    random_effects = [same(list(rates["eval_language"])), same(curves), np.eye(len(rates))]
    variances = np.square((rates["high"] - rates["low"]).to_numpy() / (2 * Z))
    freedom = rates["eval_language"].nunique() - 1 - len(covariates)
    design = _design(rates, covariates)
    return covariates, fit_mixed(rates["follow_rate"].to_numpy(), design, random_effects, variances, freedom)


def leave_one_language_out(rates: pd.DataFrame) -> tuple[float, str]:
    """Predicts the rates of each unseen language from those of the others, with and without covariates.

    Returns:
        R2: 1 - squared error with covariates / squared error without them, NaN without covariates; and the result as a
        sentence: covariates improve or worsen predictions where the 95% interval over languages of the reduction in
        squared error excludes zero.
    """
    codes = sorted(rates["eval_language"].unique())
    if len(codes) < 2 or not fit_boundary(rates)[0]:
        return nan, "Script and family cannot be tested, because these languages do not differ in them."
    errors, errors_without = [], []
    for code in codes:
        is_left_out = rates["eval_language"] == code
        left_out, others = rates[is_left_out], rates[~is_left_out]
        covariates, fit = fit_boundary(others)
        errors.append(left_out["follow_rate"].to_numpy() - _design(left_out, covariates) @ fit.coefficients)
        errors_without.append((left_out["follow_rate"] - others["follow_rate"].mean()).to_numpy())
    squares, squares_without = (sum(float(error @ error) for error in group) for group in (errors, errors_without))
    r2 = 1 - squares / squares_without if squares_without else nan
    # Rates of the same language are correlated, so the reduction in squared error is compared over languages.
    reduction = [float(np.mean(before**2 - after**2)) for before, after in zip(errors_without, errors, strict=True)]
    return r2, _verdict(r2, reduction, len(rates))


def _verdict(r2: float, reduction: Sequence[float], rates: int) -> str:
    low, high = t_interval(reduction)
    basis = f"R² {r2:.2f} against the mean of the other languages, {rates} rates of {len(reduction)} languages"
    basis = basis.replace("-", "−")
    if low > 0:
        return f"Script and family improve the prediction of the follow rate of other languages ({basis})."
    if high < 0:
        return f"Script and family worsen the prediction of the follow rate of other languages ({basis})."
    return f"Whether script and family predict follow rates cannot be determined from these languages ({basis})."


def _design(rates: pd.DataFrame, covariates: Sequence[str]) -> Floats:
    shares = [rates[f"shares_{name}"].to_numpy(dtype=float) for name in covariates]
    return np.column_stack([np.ones(len(rates)), *shares])


def _strength(languages: Sequence[str], covariates: Sequence[str], freedom: int) -> str:
    not_separable = [name for name in COVARIATES if name not in covariates]
    text = f"{len(languages)} unseen languages ({', '.join(languages)})"
    text += f": {freedom} degree{'s' * (freedom != 1)} of freedom" if freedom > 0 else ": too few for an interval"
    if not not_separable:
        return f"{text}."
    return f"{text}; the effect of {' and '.join(not_separable)} cannot be separated from the others."


_SMALLEST: Final = 1e-4
"""Lower bound of the standard deviations, relative to that of y; a smaller effect is negligible."""
_LARGEST: Final = 10.0
"""Upper bound of the standard deviations, relative to that of y."""


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed-effects model."""

    coefficients: Floats
    """Fixed effects: one coefficient per column of X."""
    covariance: Floats
    """Covariance matrix of the coefficients."""
    standard_deviations: tuple[float, ...]
    """Standard deviation of each random effect."""
    degrees_of_freedom: int
    """Degrees of freedom of the intervals; there are no intervals for 0 or fewer."""

    def interval(self, column: int) -> tuple[float, float]:
        """Returns the 95% interval of a coefficient; NaN twice without degrees of freedom."""
        if self.degrees_of_freedom < 1:
            return nan, nan
        half_width = t_quantile(self.degrees_of_freedom) * float(self.covariance[column, column]) ** 0.5
        return float(self.coefficients[column]) - half_width, float(self.coefficients[column]) + half_width


def fit_mixed(y: Floats, design: Floats, effects: Sequence[Floats], known: Floats, degrees_of_freedom: int) -> MixedFit:
    """Fits a mixed-effects model.

    Args:
        y: Observations, shape (rows,).
        design: The design matrix X, of full column rank, shape (rows, columns).
        effects: The matrix K of each random effect, shape (rows, rows) each.
        known: Known error variances of the observations, shape (rows,).

    Raises:
        ValueError: The columns of X are linearly dependent.
    """
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("the columns of the design matrix are linearly dependent")
    scale = float(np.std(y)) or 1.0
    bounds = [(np.log(_SMALLEST * scale), np.log(_LARGEST * scale))] * len(effects)
    # Two starting points, because the optimiser can get stuck where a variance is at its lower bound.
    optima = [
        minimize(_reml, np.full(len(effects), np.log(share * scale)), (y, design, effects, known, scale),
                 method="L-BFGS-B", bounds=bounds)
        for share in (0.5, 0.05)
    ]  # fmt: skip
    deviations = np.exp(min(optima, key=lambda optimum: float(optimum.fun)).x)
    inverse = np.linalg.inv(_variance(deviations, effects, known, scale))
    covariance = np.linalg.inv(design.T @ inverse @ design)
    coefficients = covariance @ design.T @ inverse @ y
    return MixedFit(coefficients, covariance, tuple(map(float, deviations)), degrees_of_freedom)


def _variance(deviations: Floats, effects: Sequence[Floats], known: Floats, scale: float) -> Floats:
    total = np.diag(known + (1e-6 * scale) ** 2)
    for deviation, effect in zip(deviations, effects, strict=True):
        total = total + deviation**2 * effect
    return np.asarray(total)


def _reml(
    log_deviations: Floats, y: Floats, design: Floats, effects: Sequence[Floats], known: Floats, scale: float
) -> float:
    """Returns minus the restricted log likelihood, up to a constant."""
    factor = cho_factor(_variance(np.exp(log_deviations), effects, known, scale), lower=True)
    weighted = cho_solve(factor, design)
    information = design.T @ weighted
    coefficients = np.linalg.solve(information, weighted.T @ y)
    residuals = y - design @ coefficients
    log_determinant = 2 * float(np.log(np.diag(factor[0])).sum()) + float(np.linalg.slogdet(information)[1])
    return (log_determinant + float(residuals @ cho_solve(factor, residuals))) / 2


def same(keys: Sequence[object]) -> Floats:
    """Returns a matrix that is 1 where two rows have equal keys and 0 elsewhere, shape (rows, rows)."""
    return np.array([[float(key == other) for other in keys] for key in keys])
