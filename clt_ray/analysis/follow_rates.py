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
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.mixed_effects import MixedFit, fit_mixed, same
from clt_ray.analysis.saturation import run_noise_around_fit
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats, t_interval
from clt_ray.languages import LANGUAGES

COVARIATES: Final = ("script", "family")
TERMS: Final = {
    "neither": "Shares neither script nor family",
    "script": "Difference when it shares the script",
    "family": "Difference when it shares the family",
}
"""Fixed effects of the boundary model and their titles."""
_CLEAR: Final = 2.0
"""Number of standard errors that the seen gain must exceed for a follow rate to be computed."""


@dataclass(frozen=True)
class FollowRate:
    """The follow rate of one unseen language in one curve."""

    model: str
    task: str
    setting: str
    language_group: str
    language: str
    shares_script: bool
    """Whether a training language, English included, is written in the language's script."""
    shares_family: bool
    """Whether a training language, English included, belongs to the language's family."""
    rate: float
    """Gain of the language per unit of gain of the seen mean."""
    variance: float
    """Error variance of the rate."""
    seen_gain: float
    """Largest gain of the seen mean, in the metric's stored unit."""
    run_ids: tuple[str, ...]

    @property
    def curve(self) -> tuple[str, str, str, str]:
        """Model, task, setting and language group of the curve."""
        return self.model, self.task, self.setting, self.language_group


@dataclass(frozen=True)
class Effect:
    """A fixed effect of the boundary model with its 95% confidence interval."""

    name: str
    """`neither` for the rate of a language that shares neither script nor family with a training language; `script` or
    `family` for what sharing it adds to the rate."""
    estimate: float
    low: float
    high: float
    """`low` and `high` are the ends of the interval; NaN without degrees of freedom."""


@dataclass(frozen=True)
class Boundary:
    """The fitted boundary model."""

    rates: tuple[FollowRate, ...]
    effects: tuple[Effect, ...]
    languages: tuple[str, ...]
    """Unseen languages to which the model was fitted."""
    covariates: tuple[str, ...]
    """Covariates whose effects can be separated from the intercept and from each other for these languages."""
    strength: str
    """Strength of the evidence, as a sentence."""
    fit: MixedFit

    def predict(self, shares_script: bool, shares_family: bool) -> tuple[float, float, float]:
        """Returns the follow rate of a new language in a new curve, with its 95% prediction interval."""
        shares = {"script": shares_script, "family": shares_family}
        row = np.array([1.0, *(shares[name] for name in self.covariates)])
        none = np.zeros(len(self.rates))
        return self.fit.predict(row.astype(float), [none, none, none], [1.0, 1.0, 1.0])


@dataclass(frozen=True)
class LanguagesLeftOut:
    """The predictions of the boundary model for languages to which it was not fitted."""

    predictions: tuple[tuple[FollowRate, float], ...]
    """Each rate with its prediction from the other languages."""
    r2: float
    """1 - squared error with covariates / squared error without them; NaN without covariates."""
    verdict: str
    """The result as a sentence: covariates improve or worsen predictions where the 95% interval over languages of the
    reduction in squared error excludes zero."""


def follow_rates(study: Study) -> tuple[FollowRate, ...]:
    """Returns the follow rate of every unseen language in every curve with a clear gain of the seen mean."""
    rates = []
    for seed, curve in enumerate(study.curves):
        if curve.origin is None or len(curve.points) < 2 or not curve.is_multilingual:
            continue
        rng = np.random.default_rng(seed)
        seen = Series.of(study, curve, "seen")
        if not seen.samples:
            continue
        seen_gains = _resampled_gains(seen, rng)
        for language in study.task_scores[curve.task].languages:
            if curve.exposure(language) != "unseen":
                continue
            series = Series.of(study, curve, [language])
            estimate = _rate_and_variance(seen, seen_gains, series, rng) if series.samples else None
            if estimate is not None:
                largest_gain = max(seen.scores) - seen.scores[0]
                rates.append(_follow_rate(curve, language, estimate, largest_gain))
    return tuple(rates)


def _resampled_gains(series: Series, rng: np.random.Generator) -> Floats | None:
    """Returns resampled gains over n = 0, shape (resamples, points - 1); None when their error is not known."""
    noise = run_noise_around_fit(series)
    if not series.has_stderr and np.isnan(noise):
        return None
    scores = series.resampled(0.0 if np.isnan(noise) else noise, rng)
    return np.asarray(scores[:, 1:] - scores[:, :1])


def _rate_and_variance(
    seen: Series, seen_gains: Floats | None, series: Series, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Returns the follow rate and its error variance; None when the seen gain does not exceed its noise."""
    language_gains = _resampled_gains(series, rng)
    if seen_gains is None or language_gains is None:
        return None
    mean_gain = seen_gains.mean(axis=1)
    if not mean_gain.mean() > _CLEAR * mean_gain.std():
        return None
    x = np.asarray(seen.scores[1:]) - seen.scores[0]
    rows = min(len(seen_gains), len(language_gains))
    rate = float(x @ (np.asarray(series.scores[1:]) - series.scores[0]) / (x @ x))
    # Delta method: the ratio itself has extreme values in resamples where the seen gain is near zero.
    errors = (language_gains[:rows] - rate * seen_gains[:rows]) @ x / (x @ x)
    return rate, float(np.var(errors))


def _follow_rate(curve: Curve, language: str, estimate: tuple[float, float], seen_gain: float) -> FollowRate:
    trained = [LANGUAGES[code] for code in (ENGLISH, *curve.train_languages) if code in LANGUAGES]
    declared = LANGUAGES.get(language)
    rate, variance = estimate
    return FollowRate(
        model=curve.model, task=curve.task, setting=curve.setting, language_group=curve.language_group,
        language=language,
        shares_script=declared is not None and declared.script in {other.script for other in trained},
        shares_family=declared is not None and declared.family in {other.family for other in trained}, rate=rate,
        variance=variance, seen_gain=seen_gain,
        run_ids=tuple(run_id for point in curve.points for run_id in point.run_ids),
    )  # fmt: skip


def fit_boundary(rates: Sequence[FollowRate]) -> Boundary:
    """Fits the boundary model to follow rates.

    Raises:
        ValueError: There are no follow rates.
    """
    if not rates:
        raise ValueError("no follow rates: no curve whose seen languages gain more than noise has an unseen language")
    covariates: list[str] = []
    for name in COVARIATES:
        if np.linalg.matrix_rank(_design(rates, [*covariates, name])) == len(covariates) + 2:
            covariates.append(name)
    languages = tuple(sorted({rate.language for rate in rates}))
    random_effects = [same([rate.language for rate in rates]), same([rate.curve for rate in rates]), np.eye(len(rates))]
    freedom = len(languages) - 1 - len(covariates)
    values, variances = np.array([rate.rate for rate in rates]), np.array([rate.variance for rate in rates])
    fit = fit_mixed(values, _design(rates, covariates), random_effects, variances, freedom)
    effects = tuple(
        Effect(name, float(fit.coefficients[column]), *fit.interval(column))
        for column, name in enumerate(["neither", *covariates])
    )
    return Boundary(tuple(rates), effects, languages, tuple(covariates), _strength(languages, covariates, freedom), fit)


def leave_one_language_out(rates: Sequence[FollowRate]) -> LanguagesLeftOut:
    """Predicts the rates of each unseen language from those of the others, with and without covariates."""
    predictions, without_covariates = [], []
    for language in sorted({rate.language for rate in rates}):
        others = [rate for rate in rates if rate.language != language]
        if not others:
            continue
        boundary = fit_boundary(others)
        mean_of_others = float(np.mean([rate.rate for rate in others]))
        for rate in rates:
            if rate.language == language:
                predictions.append((rate, boundary.predict(rate.shares_script, rate.shares_family)[0]))
                without_covariates.append(mean_of_others)
    if not predictions or not any(fit_boundary(rates).covariates):
        verdict = "Script and family cannot be tested, because these languages do not differ in them."
        return LanguagesLeftOut(tuple(predictions), nan, verdict)
    errors = np.array([rate.rate - predicted for rate, predicted in predictions])
    errors_without = np.array([rate.rate for rate, _ in predictions]) - np.array(without_covariates)
    r2 = float(1 - (errors @ errors) / (errors_without @ errors_without)) if errors_without.any() else nan
    # Rates of the same language are correlated, so the reduction in squared error is compared over languages.
    languages = [rate.language for rate, _ in predictions]
    reduction = pd.Series(errors_without**2 - errors**2).groupby(languages).mean()
    return LanguagesLeftOut(tuple(predictions), r2, _verdict(r2, reduction.to_numpy(), len(predictions)))


def _verdict(r2: float, reduction: Floats, rates: int) -> str:
    low, high = t_interval(reduction)
    basis = f"R² {r2:.2f} against the mean of the other languages, {rates} rates of {len(reduction)} languages"
    basis = basis.replace("-", "−")
    if low > 0:
        return f"Script and family improve the prediction of the follow rate of other languages ({basis})."
    if high < 0:
        return f"Script and family worsen the prediction of the follow rate of other languages ({basis})."
    return f"Whether script and family predict follow rates cannot be determined from these languages ({basis})."


def _design(rates: Sequence[FollowRate], covariates: Sequence[str]) -> Floats:
    columns = {"script": [rate.shares_script for rate in rates], "family": [rate.shares_family for rate in rates]}
    return np.column_stack([np.ones(len(rates)), *(np.array(columns[name], float) for name in covariates)])


def _strength(languages: Sequence[str], covariates: Sequence[str], freedom: int) -> str:
    not_separable = [name for name in COVARIATES if name not in covariates]
    text = f"{len(languages)} unseen languages ({', '.join(languages)})"
    text += f": {freedom} degree{'s' * (freedom != 1)} of freedom" if freedom > 0 else ": too few for an interval"
    if not not_separable:
        return f"{text}."
    return f"{text}; the effect of {' and '.join(not_separable)} cannot be separated from the others."
