"""How gain, gap and plateau move with the size of the model: one model over all tasks, tested on models left out.

**Contract.** A row is a measure of one curve. Over the rows of all models and tasks,

    value = intercept(stratum) + slope * x + slope(task) * x + model + row

with x = log10(parameters / mean); a *stratum* is a task, setting and language group. The slope is shared; tasks deviate
from it, models from the line and rows from both by random effects, so a task with few models borrows from the others. A
stratum that only one model has says nothing of size.

Rows of one model are not independent evidence about size: intervals have (models - 2) degrees of freedom, so none
with two models, and with three they are very wide, which is how much three models can say. The test out of sample
predicts all rows of a model from the others and compares with "size makes no difference"; it needs three models.

**Example.** Models of 1e9 and 1e10 parameters gain 0.30 and 0.20 in one task: the slope is -0.10 per tenfold size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10, nan
from typing import Final

import numpy as np

from clt_ray.analysis.advice import TOLERANCE
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.mixed_effects import MixedFit, fit_mixed, same
from clt_ray.analysis.saturation import saturation, run_noise_around_fit
from clt_ray.analysis.series import Series
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats

Stratum = tuple[str, str, str]
"""Task, setting, language group."""
MEASURES: Final = ("gain_seen", "gain_unseen", "gap", "plateau")
"""gain_* and gap at the curve's largest n, per range of the metric's scale; plateau as log10 of samples per
language, taken within the sizes that were run."""
_SIZE: Final = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])")


@dataclass(frozen=True)
class ScaleRow:
    """One measure of one curve."""

    model: str
    parameters: float
    stratum: Stratum
    value: float
    variance: float
    """Error variance as far as it is known."""


@dataclass(frozen=True)
class ScaleModel:
    """The fitted model of a measure."""

    rows: tuple[ScaleRow, ...]
    slope: float
    """Change of the measure per tenfold parameters; NaN when all models are of one size."""
    low: float
    """Lower end of the 95% interval; NaN with fewer than three models."""
    high: float
    models: tuple[str, ...]
    strength: str
    """How much these models can say, as a sentence."""
    fit: MixedFit | None
    centre: float
    """Mean log10 parameters of the models."""

    def predict(self, parameters: float, stratum: Stratum) -> tuple[float, float, float]:
        """The measure for a model of this size that has not been run, with its 95% prediction interval.

        Raises:
            KeyError: No model has a curve in the stratum, or size could not be fitted.
        """
        strata = _strata(self.rows)
        if self.fit is None or stratum not in strata:
            raise KeyError(stratum)
        x = log10(parameters) - self.centre
        row = np.array([x, *(float(each == stratum) for each in strata)])
        sizes = np.array([log10(each.parameters) - self.centre for each in self.rows])
        alike = np.array([each.stratum[0] == stratum[0] for each in self.rows])
        none = np.zeros(len(self.rows))
        return self.fit.predict(row, [none, alike * sizes * x, none], [1.0, x * x, 1.0])


@dataclass(frozen=True)
class LeftOut:
    """What the other models say of a model's row."""

    row: ScaleRow
    predicted: float
    low: float
    high: float
    without_size: float
    """Mean of the stratum over the other models."""


@dataclass(frozen=True)
class OutOfSample:
    """Predictions of every model from the others."""

    predictions: tuple[LeftOut, ...]
    r2: float
    """1 - squared error of the model / squared error of "size makes no difference"; above 0, size helps; NaN without
    predictions."""
    covered: float
    """Share of the values inside their 95% prediction intervals; NaN where there are none."""
    verdict: str
    """As a sentence."""


def parameters_in(name: str) -> float | None:
    """Parameters that a model's name states: 8e9 for "llama-3.1-8b"; None where it states none."""
    found = _SIZE.findall(name.lower().replace("_", "-"))
    return float(found[-1][0]) * (1e9 if found[-1][1] == "b" else 1e6) if found else None


def scale_rows(
    study: Study, measure: str, parameters: Mapping[str, float] | None = None, *, tolerance: float = TOLERANCE
) -> tuple[ScaleRow, ...]:
    """A measure of every curve that has it.

    Args:
        study: The scores.
        measure: One of `MEASURES`.
        parameters: Parameters by model; by default what the names state. Models without are left out.
        tolerance: Of the plateau, per range of the metric's scale.

    Raises:
        ValueError: No such measure.
    """
    if measure not in MEASURES:
        raise ValueError(f"{measure!r} is none of {', '.join(MEASURES)}")
    rows = []
    for seed, curve in enumerate(study.curves):
        size = parameters_in(curve.model) if parameters is None else parameters.get(curve.model)
        if size is None or curve.origin is None or not curve.train_languages or ENGLISH in curve.train_languages:
            continue
        span = metric(curve.metric).span
        if measure == "plateau":
            found = _plateau(study, curve, tolerance * span, seed)
        else:
            found = _difference(study, curve, measure, span)
        if found is not None and np.isfinite(found[0]):
            rows.append(ScaleRow(curve.model, size, (curve.task, curve.setting, curve.language_group), *found))
    return tuple(rows)


def _difference(study: Study, curve: Curve, measure: str, span: float) -> tuple[float, float] | None:
    if measure == "gap":
        seen, unseen = Series.of(study, curve, "seen"), Series.of(study, curve, "unseen")
        if not seen.samples or not unseen.samples:
            return None
        parts = _last(seen), _last(unseen)
        return (parts[0][0] - parts[1][0]) / span, (parts[0][1] + parts[1][1]) / span**2
    series = Series.of(study, curve, measure.removeprefix("gain_"))
    if not series.samples:
        return None
    variance = _last(series)[1] + _variance(series)[0]
    return (series.scores[-1] - series.scores[0]) / span, variance / span**2


def _last(series: Series) -> tuple[float, float]:
    return series.scores[-1], float(_variance(series)[-1])


def _variance(series: Series) -> Floats:
    """Error variance of each score: of its items, and of runs as far as the scatter around the fit shows it."""
    noise = run_noise_around_fit(series)
    items = np.square(series.stderr) if series.has_stderr else np.zeros(len(series.samples))
    return np.asarray(items + (0.0 if np.isnan(noise) else noise**2))


def _plateau(study: Study, curve: Curve, tolerance: float, seed: int) -> tuple[float, float] | None:
    found = saturation(Series.of(study, curve), tolerance, seed=seed)
    if found.best is None or found.refits is None:
        return None
    ends = found.series.samples[1], found.series.samples[-1]
    value = float(np.log10(np.clip(found.best.plateau(tolerance), *ends))[0])
    return value, float(np.var(np.log10(np.clip(found.refits.plateau(tolerance), *ends))))


def fit_scale(rows: Sequence[ScaleRow]) -> ScaleModel:
    """Fit the model to the rows of a measure.

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
    design = np.column_stack([x, *([float(row.stratum == each) for row in rows] for each in strata)])
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
    """Predict the rows of each model from those of the others, wherever these have the stratum and two sizes."""
    predictions = []
    for name in sorted({row.model for row in rows}):
        others = [row for row in rows if row.model != name]
        fitted = fit_scale(others) if others else None
        for row in rows:
            peers = [other.value for other in others if other.stratum == row.stratum]
            if row.model == name and peers and fitted is not None and fitted.fit is not None:
                predictions.append(LeftOut(row, *fitted.predict(row.parameters, row.stratum), float(np.mean(peers))))
    if not predictions:
        verdict = "It cannot be tested out of sample: that takes three models of at least two sizes with curves alike."
        return OutOfSample((), nan, nan, verdict)
    errors = np.array([each.row.value - each.predicted for each in predictions])
    plain = np.array([each.row.value - each.without_size for each in predictions])
    r2 = float(1 - (errors @ errors) / (plain @ plain)) if plain.any() else nan
    inside = [each.low <= each.row.value <= each.high for each in predictions if np.isfinite(each.low)]
    count = len({each.row.model for each in predictions})
    better = "better" if r2 > 0 else "no better"
    verdict = (
        f"Predicting each of {count} models from the others is {better} than taking the mean of the others "
        f"(out-of-sample R² {r2:.2f} over {len(predictions)} curves)."
    )
    return OutOfSample(tuple(predictions), r2, float(np.mean(inside)) if inside else nan, verdict)


def _size(rows: Sequence[ScaleRow], model: str) -> float:
    return next(row.parameters for row in rows if row.model == model)


def _strata(rows: Sequence[ScaleRow]) -> list[Stratum]:
    return sorted({row.stratum for row in rows})


def _strength(rows: Sequence[ScaleRow], models: Sequence[str]) -> str:
    shared = [
        stratum for stratum in _strata(rows) if len({row.parameters for row in rows if row.stratum == stratum}) > 1
    ]
    named = f"{len(models)} model{'s' * (len(models) > 1)} ({', '.join(models)})"
    if not shared:
        return f"{named}: no curve exists at two sizes, so nothing can be said about size."
    if len(models) == 2:
        return f"{named}: a difference between two models, which may be their size or anything else; no interval."
    if len(models) < 6:
        left = len(models) - 2
        return (
            f"{named}: {left} degree{'s' * (left > 1)} of freedom for the slope; size cannot be told from what else "
            "differs between the models, and a slope whose interval includes 0 is no evidence of no effect."
        )
    return f"{named}: {len(models) - 2} degrees of freedom for the slope."
