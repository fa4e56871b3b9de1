"""How gain, gap and plateau depend on model size: one mixed-effects model over all tasks, tested on models left out.

**Contract.** A row is a measure of one curve. Over the rows of all models and tasks,

    value = intercept(stratum) + slope * x + slope(task) * x + model + residual

with x = log10(parameters) minus its mean over the models. A *stratum* is a task, setting and language group. The slope
is a fixed effect. The deviations of tasks from it, of models from the line, and of rows from both are random effects,
so that the estimate for a task with few models is informed by the others. A stratum with a single model contains no
information on size.

Rows of the same model are not independent observations of the effect of size. Intervals therefore have (models - 2)
degrees of freedom: there are none with two models, and they are very wide with three. The test out of sample predicts
all rows of a model from the other models and compares this with the prediction that size has no effect. It needs three
models.

**Example.** If models of 1e9 and 1e10 parameters gain 0.30 and 0.20 in one task, the slope is -0.10 per tenfold size.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10, nan
from typing import Final

import numpy as np

from clt_ray.analysis.advice import TOLERANCE
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.mixed_effects import MixedFit, fit_mixed, same
from clt_ray.analysis.saturation import run_noise_around_fit, saturation
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import Curve, Study
from clt_ray.analysis.uncertainty import Floats

Stratum = tuple[str, str, str]
"""Task, setting and language group."""
MEASURES: Final = {
    "gain_seen": "Gain of seen languages",
    "gain_unseen": "Gain of unseen languages",
    "gap": "Seen − unseen",
    "plateau": "Samples at the plateau",
}
"""Measures and their titles. Gains and gap are shares of the metric's scale at the largest n of a curve; the plateau is
log10 of samples per language, limited to the range of sizes that were run."""
_SIZE: Final = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])")


@dataclass(frozen=True)
class ScaleRow:
    """One measure of one curve."""

    model: str
    parameters: float
    """Number of parameters of the model."""
    stratum: Stratum
    value: float
    variance: float
    """Error variance of the value, as far as it is known."""


@dataclass(frozen=True)
class ScaleModel:
    """The fitted mixed-effects model of one measure."""

    rows: tuple[ScaleRow, ...]
    slope: float
    """Change of the measure per tenfold number of parameters; NaN when all models have one size."""
    low: float
    high: float
    """`low` and `high` are the ends of the 95% confidence interval; NaN with fewer than three models."""
    models: tuple[str, ...]
    """Models in ascending order of size."""
    strength: str
    """Strength of the evidence, as a sentence."""
    fit: MixedFit | None
    """The fit; None when all models have one size."""
    centre: float
    """Mean log10 parameters of the models."""

    def predict(self, parameters: float, stratum: Stratum) -> tuple[float, float, float]:
        """Returns the measure of a new model of this size, with its 95% prediction interval.

        Raises:
            KeyError: No model has a curve in the stratum, or the effect of size could not be fitted.
        """
        strata = _strata(self.rows)
        if self.fit is None or stratum not in strata:
            raise KeyError(stratum)
        x = log10(parameters) - self.centre
        row = np.array([x, *(float(other == stratum) for other in strata)])
        sizes = np.array([log10(fitted.parameters) - self.centre for fitted in self.rows])
        same_task = np.array([fitted.stratum[0] == stratum[0] for fitted in self.rows])
        none = np.zeros(len(self.rows))
        return self.fit.predict(row, [none, same_task * sizes * x, none], [1.0, x * x, 1.0])


@dataclass(frozen=True)
class LeftOut:
    """The prediction of a row from the other models."""

    row: ScaleRow
    predicted: float
    low: float
    high: float
    """`low` and `high` are the ends of the 95% prediction interval."""
    without_size: float
    """Mean of the stratum over the other models, the prediction if size has no effect."""


@dataclass(frozen=True)
class OutOfSample:
    """Predictions of each model from the others, and their quality."""

    predictions: tuple[LeftOut, ...]
    r2: float
    """1 - squared error / squared error of the predictions without size; positive values mean that size helps; NaN
    without predictions."""
    covered: float
    """Share of the values inside their 95% prediction intervals; NaN without intervals."""
    verdict: str
    """The result as a sentence."""


def parameters_in(name: str) -> float | None:
    """Returns the number of parameters in a model's name, such as 8e9 for "llama-3.1-8b"; None where there is none."""
    sizes = _SIZE.findall(name.lower().replace("_", "-"))
    return float(sizes[-1][0]) * (1e9 if sizes[-1][1] == "b" else 1e6) if sizes else None


def scale_rows(study: Study, measure: str, parameters: Mapping[str, float] | None = None) -> tuple[ScaleRow, ...]:
    """Returns a measure of every curve for which it can be computed.

    Args:
        parameters: Number of parameters by model; by default those that the names state. Other models are left out.

    Raises:
        ValueError: There is no such measure.
    """
    if measure not in MEASURES:
        raise ValueError(f"{measure!r} is none of {', '.join(MEASURES)}")
    rows = []
    for seed, curve in enumerate(study.curves):
        size = parameters_in(curve.model) if parameters is None else parameters.get(curve.model)
        if size is None or curve.origin is None or not curve.is_multilingual:
            continue
        span = metric(curve.metric).span
        if measure == "plateau":
            value_and_variance = _plateau(study, curve, TOLERANCE * span, seed)
        elif measure == "gap":
            value_and_variance = _gap(study, curve, span)
        else:
            value_and_variance = _gain(study, curve, measure.removeprefix("gain_"), span)
        if value_and_variance is not None and np.isfinite(value_and_variance[0]):
            stratum = (curve.task, curve.setting, curve.language_group)
            rows.append(ScaleRow(curve.model, size, stratum, *value_and_variance))
    return tuple(rows)


def _gap(study: Study, curve: Curve, span: float) -> tuple[float, float] | None:
    seen, unseen = Series.of(study, curve, "seen"), Series.of(study, curve, "unseen")
    if not seen.samples or not unseen.samples:
        return None
    variance = float(_error_variance(seen)[-1]) + float(_error_variance(unseen)[-1])
    return (seen.scores[-1] - unseen.scores[-1]) / span, variance / span**2


def _gain(study: Study, curve: Curve, exposure: str, span: float) -> tuple[float, float] | None:
    series = Series.of(study, curve, exposure)
    if not series.samples:
        return None
    variances = _error_variance(series)
    return (series.scores[-1] - series.scores[0]) / span, (float(variances[-1]) + variances[0]) / span**2


def _error_variance(series: Series) -> Floats:
    noise = run_noise_around_fit(series)
    sampling_variance = np.square(series.stderr) if series.has_stderr else np.zeros(len(series.samples))
    return np.asarray(sampling_variance + (0.0 if np.isnan(noise) else noise**2))


def _plateau(study: Study, curve: Curve, tolerance: float, seed: int) -> tuple[float, float] | None:
    fit = saturation(Series.of(study, curve), tolerance, seed=seed)
    if fit.best is None or fit.refits is None:
        return None
    ends = fit.series.samples[1], fit.series.samples[-1]
    value = float(np.log10(np.clip(fit.best.plateau(tolerance), *ends))[0])
    return value, float(np.var(np.log10(np.clip(fit.refits.plateau(tolerance), *ends))))


def fit_scale(rows: Sequence[ScaleRow]) -> ScaleModel:
    """Fits the mixed-effects model to the rows of a measure.

    Raises:
        ValueError: There are no rows.
    """
    if not rows:
        raise ValueError("no rows to fit")
    models = tuple(sorted({row.model for row in rows}, key=lambda name: (_size(rows, name), name)))
    sizes = np.log10([row.parameters for row in rows])
    centre = float(np.mean(np.log10([_size(rows, name) for name in models])))
    strength = _strength(rows, models)
    x, strata = sizes - centre, _strata(rows)
    design = np.column_stack([x, *([float(row.stratum == stratum) for row in rows] for stratum in strata)])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return ScaleModel(tuple(rows), nan, nan, nan, models, strength, None, centre)
    effects = [
        same([row.model for row in rows]),
        same([row.stratum[0] for row in rows]) * np.outer(x, x),
        np.eye(len(rows)),
    ]
    values, known = np.array([row.value for row in rows]), np.array([row.variance for row in rows])
    fit = fit_mixed(values, design, effects, known, len(models) - 2)
    return ScaleModel(tuple(rows), float(fit.coefficients[0]), *fit.interval(0), models, strength, fit, centre)


def leave_one_model_out(rows: Sequence[ScaleRow]) -> OutOfSample:
    """Predicts the rows of each model from those of the others, where these have the stratum and two sizes."""
    predictions = []
    for name in sorted({row.model for row in rows}):
        others = [row for row in rows if row.model != name]
        fitted = fit_scale(others) if others else None
        for row in rows:
            peers = [other.value for other in others if other.stratum == row.stratum]
            if row.model == name and peers and fitted is not None and fitted.fit is not None:
                predictions.append(LeftOut(row, *fitted.predict(row.parameters, row.stratum), float(np.mean(peers))))
    if not predictions:
        verdict = "Size cannot be tested out of sample: it takes three models of two or more sizes with equal curves."
        return OutOfSample((), nan, nan, verdict)
    errors = np.array([left_out.row.value - left_out.predicted for left_out in predictions])
    errors_without_size = np.array([left_out.row.value - left_out.without_size for left_out in predictions])
    has_errors = errors_without_size.any()
    r2 = float(1 - (errors @ errors) / (errors_without_size @ errors_without_size)) if has_errors else nan
    inside = [
        left_out.low <= left_out.row.value <= left_out.high for left_out in predictions if np.isfinite(left_out.low)
    ]
    count = len({left_out.row.model for left_out in predictions})
    comparison = "better" if r2 > 0 else "no better"
    verdict = (
        f"Predicting each of {count} models from the others is {comparison} than taking the mean of the others "
        f"(out-of-sample R² {r2:.2f} over {len(predictions)} curves)."
    )
    return OutOfSample(tuple(predictions), r2, float(np.mean(inside)) if inside else nan, verdict)


def _size(rows: Sequence[ScaleRow], model: str) -> float:
    return next(row.parameters for row in rows if row.model == model)


def _strata(rows: Sequence[ScaleRow]) -> list[Stratum]:
    return sorted({row.stratum for row in rows})


def _strength(rows: Sequence[ScaleRow], models: Sequence[str]) -> str:
    at_two_sizes = [
        stratum for stratum in _strata(rows) if len({row.parameters for row in rows if row.stratum == stratum}) > 1
    ]
    basis = f"{len(models)} model{'s' * (len(models) > 1)} ({', '.join(models)})"
    if not at_two_sizes:
        return f"{basis}: no curve exists at two sizes, so the effect of size cannot be estimated."
    if len(models) == 2:
        return f"{basis}: a difference between two models, due to their size or anything else; no interval."
    if len(models) < 6:
        freedom = len(models) - 2
        return (
            f"{basis}: {freedom} degree{'s' * (freedom > 1)} of freedom for the slope; size cannot be separated from "
            "other differences between the models, and a slope whose interval includes 0 may be of any size within it."
        )
    return f"{basis}: {len(models) - 2} degrees of freedom for the slope."
