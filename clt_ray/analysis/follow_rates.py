"""How far languages that are never trained on can follow those that are, and what of them says so beforehand.

**Contract.** Of one curve and one unseen language, the *follow rate* is what the language gains per unit gained by the
seen mean: the slope through the origin of

    score(n, language) - score(0, language)   on   seen(n) - seen(0),   over the n > 0 of the curve.

1 is full transfer, 0 none, negative harm. Curves whose seen mean gains nothing that can be told from noise have no
follow rate. Over all rates,

    rate = intercept + a * [shares its script with a training language] + b * [shares its family with one]
           + language + curve + row

with random effects for languages and curves. What a covariate is worth is tested by predicting each language from the
others: a *boundary* that holds only for the languages it was fitted on is none. Intervals have as many degrees of
freedom as there are unseen languages beyond the fixed effects; with three of them, as in the reference study's main
runs, one or none.

**Example.** Seen languages rise from 0.2 to 0.4 and Korean from 0.1 to 0.15: its follow rate is 0.25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.jackknife import t_interval
from clt_ray.analysis.mixed_effects import MixedFit, fit_mixed, same
from clt_ray.analysis.saturation import run_noise_around_fit
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats
from clt_ray.languages import LANGUAGES

COVARIATES: Final = ("script", "family")
_CLEAR: Final = 2.0
"""Standard errors that the seen gain must have for a rate per unit of it to mean something."""


@dataclass(frozen=True)
class FollowRate:
    """What one unseen language gains per unit of seen gain, in one curve."""

    model: str
    task: str
    setting: str
    language_group: str
    language: str
    shares_script: bool
    """Whether a training language, English included, is written in its script."""
    shares_family: bool
    """Whether a training language, English included, is of its family."""
    rate: float
    variance: float
    """Error variance of the rate."""
    seen_gain: float
    """Largest gain of the seen mean, in the metric's stored unit."""
    run_ids: tuple[str, ...]

    @property
    def curve(self) -> tuple[str, str, str, str]:
        return self.model, self.task, self.setting, self.language_group


@dataclass(frozen=True)
class Effect:
    """A term of the boundary model with its 95% interval; NaN ends without degrees of freedom."""

    name: str
    """`neither` (rate of a language that shares neither script nor family), `script` or `family` (what sharing it
    adds)."""
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Boundary:
    """The fitted model."""

    rates: tuple[FollowRate, ...]
    effects: tuple[Effect, ...]
    languages: tuple[str, ...]
    """Unseen languages it rests on."""
    covariates: tuple[str, ...]
    """Those of `COVARIATES` that vary and say different things among these languages."""
    strength: str
    """How much these languages can say, as a sentence."""
    fit: MixedFit

    def predict(self, shares_script: bool, shares_family: bool) -> tuple[float, float, float]:
        """Follow rate of a language that has not been evaluated, in a curve that has not been run, with its 95%
        prediction interval."""
        row = np.array([1.0, *({"script": shares_script, "family": shares_family}[name] for name in self.covariates)])
        none = np.zeros(len(self.rates))
        return self.fit.predict(row.astype(float), [none, none, none], [1.0, 1.0, 1.0])


@dataclass(frozen=True)
class LanguagesLeftOut:
    """The boundary model tested on languages it was not fitted on."""

    predictions: tuple[tuple[FollowRate, float], ...]
    """Each rate with its prediction from the other languages."""
    r2: float
    """1 - squared error with covariates / without them; NaN without covariates."""
    verdict: str
    """As a sentence: covariates help or mislead where a 95% interval over languages of the error they save says so."""


def follow_rates(study: Study) -> tuple[FollowRate, ...]:
    """The follow rate of every unseen language in every curve that has one."""
    rates = []
    for seed, curve in enumerate(study.curves):
        if curve.origin is None or len(curve.points) < 2 or set(curve.train_languages) <= {ENGLISH}:
            continue
        rng = np.random.default_rng(seed)
        seen = Series.of(study, curve, "seen")
        if not seen.samples:
            continue
        seen_gain = _gains(seen, rng)
        for language in study.task_scores[curve.task].languages:
            if curve.exposure(language) != "unseen":
                continue
            series = Series.of(study, curve, [language])
            found = _rate(seen, seen_gain, series, rng) if series.samples else None
            if found is not None:
                most = max(seen.scores) - seen.scores[0]
                rates.append(_described(curve, language, *found, most))
    return tuple(rates)


def _gains(series: Series, rng: np.random.Generator) -> Floats | None:
    """Gains over n = 0 in resamples, shape (resamples, points - 1); None when nothing is known of the noise."""
    noise = run_noise_around_fit(series)
    if not series.has_stderr and np.isnan(noise):
        return None
    drawn = series.resampled(0.0 if np.isnan(noise) else noise, rng)
    return np.asarray(drawn[:, 1:] - drawn[:, :1])


def _rate(
    seen: Series, seen_gain: Floats | None, series: Series, rng: np.random.Generator
) -> tuple[float, float] | None:
    """The follow rate and its error variance; None when the seen gain is not clear of noise."""
    own = _gains(series, rng)
    if seen_gain is None or own is None:
        return None
    mean_gain = seen_gain.mean(axis=1)
    if not mean_gain.mean() > _CLEAR * mean_gain.std():
        return None
    known = np.asarray(seen.scores[1:]) - seen.scores[0]
    rows = min(len(seen_gain), len(own))
    value = float(known @ (np.asarray(series.scores[1:]) - series.scores[0]) / (known @ known))
    # Linear in the gains (delta method): the ratio itself has wild resamples where the seen gain comes out near zero.
    drawn = (own[:rows] - value * seen_gain[:rows]) @ known / (known @ known)
    return value, float(np.var(drawn))


def _described(curve: Curve, language: str, rate: float, variance: float, seen_gain: float) -> FollowRate:
    trained = [LANGUAGES[code] for code in (ENGLISH, *curve.train_languages) if code in LANGUAGES]
    own = LANGUAGES.get(language)
    return FollowRate(
        curve.model, curve.task, curve.setting, curve.language_group, language,
        own is not None and own.script in {each.script for each in trained},
        own is not None and own.family in {each.family for each in trained},
        rate, variance, seen_gain, tuple(run_id for point in curve.points for run_id in point.run_ids),
    )  # fmt: skip


def fit_boundary(rates: Sequence[FollowRate]) -> Boundary:
    """Fit the model to follow rates.

    Raises:
        ValueError: There are none.
    """
    if not rates:
        raise ValueError("no follow rates: no curve whose seen languages gain more than noise has an unseen one")
    covariates: list[str] = []
    for name in COVARIATES:
        if np.linalg.matrix_rank(_design(rates, [*covariates, name])) == len(covariates) + 2:
            covariates.append(name)
    languages = tuple(sorted({rate.language for rate in rates}))
    effects = [same([rate.language for rate in rates]), same([rate.curve for rate in rates]), np.eye(len(rates))]
    freedom = len(languages) - 1 - len(covariates)
    fit = fit_mixed(
        np.array([rate.rate for rate in rates]),
        _design(rates, covariates),
        effects,
        np.array([rate.variance for rate in rates]),
        freedom,
    )
    terms = tuple(
        Effect(name, float(fit.coefficients[place]), *fit.interval(place))
        for place, name in enumerate(["neither", *covariates])
    )
    return Boundary(tuple(rates), terms, languages, tuple(covariates), _strength(languages, covariates, freedom), fit)


def leave_one_language_out(rates: Sequence[FollowRate]) -> LanguagesLeftOut:
    """Predict the rates of each unseen language from those of the others, with covariates and without."""
    pairs, plain = [], []
    for language in sorted({rate.language for rate in rates}):
        others = [rate for rate in rates if rate.language != language]
        if not others:
            continue
        fitted = fit_boundary(others)
        without = float(np.mean([rate.rate for rate in others]))
        for rate in rates:
            if rate.language == language:
                pairs.append((rate, fitted.predict(rate.shares_script, rate.shares_family)[0]))
                plain.append(without)
    if not pairs or not any(fit_boundary(rates).covariates):
        return LanguagesLeftOut(tuple(pairs), nan, "Script and family cannot be tested: these languages do not differ.")
    errors = np.array([rate.rate - predicted for rate, predicted in pairs])
    missed = np.array([rate.rate for rate, _ in pairs]) - np.array(plain)
    r2 = float(1 - (errors @ errors) / (missed @ missed)) if missed.any() else nan
    # Rates of one language rise and fall together, so what covariates save is compared over languages, not rates.
    saved = pd.Series(missed**2 - errors**2).groupby([rate.language for rate, _ in pairs]).mean()
    return LanguagesLeftOut(tuple(pairs), r2, _verdict(r2, saved.to_numpy(), len(pairs)))


def _verdict(r2: float, saved: Floats, rates: int) -> str:
    """Whether the squared error that covariates save, per language, can be told from zero."""
    low, high = t_interval(saved)
    basis = f"R² {r2:.2f} against the mean of the other languages, {rates} rates of {len(saved)} languages"
    basis = basis.replace("-", "−")
    if low > 0:
        return f"Script and family help to foretell how a language follows ({basis})."
    if high < 0:
        return f"Script and family mislead about how a language follows ({basis})."
    return f"Whether script and family foretell how a language follows, these languages cannot say ({basis})."


def _design(rates: Sequence[FollowRate], covariates: Sequence[str]) -> Floats:
    columns = {"script": [rate.shares_script for rate in rates], "family": [rate.shares_family for rate in rates]}
    return np.column_stack([np.ones(len(rates)), *(np.array(columns[name], float) for name in covariates)])


def _strength(languages: Sequence[str], covariates: Sequence[str], freedom: int) -> str:
    left = [name for name in COVARIATES if name not in covariates]
    text = f"{len(languages)} unseen languages ({', '.join(languages)})"
    text += f": {freedom} degree{'s' * (freedom != 1)} of freedom" if freedom > 0 else ": too few for an interval"
    return f"{text}; {' and '.join(left)} cannot be told from the rest." if left else f"{text}."
