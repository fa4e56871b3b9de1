"""Tests of the model of size against known truth: slope, predictions for new models, and stated strength."""

from __future__ import annotations

from math import isnan, log10

import numpy as np
import pytest

from clt_ray.analysis.mixed_effects import fit_mixed, same
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.scaling import MEASURES, ScaleRow, fit_scale, leave_one_model_out, parameters_in, scale_rows
from clt_ray.analysis.study import Study

ERROR = 0.01


def simulated(sizes: np.ndarray, slope: float, rng: np.random.Generator, noise: float = 1.0) -> list[ScaleRow]:
    """Two tasks and settings; models, tasks and rows deviate from the line by 0.02 each."""
    task_slopes = slope + 0.02 * noise * rng.standard_normal(2)
    rows = []
    for number, size in enumerate(sizes):
        model_effect = 0.02 * noise * rng.standard_normal()
        for task in (0, 1):
            for setting in ("single", "multi"):
                value = 0.3 + 0.1 * task + task_slopes[task] * (log10(size) - 9.5) + model_effect
                value += noise * np.hypot(0.02, ERROR) * rng.standard_normal()
                rows.append(ScaleRow(f"m{number}", size, (f"t{task}", setting, "all"), value, ERROR**2))
    return rows


@pytest.mark.parametrize("models", [3, 6])
def test_the_interval_covers_the_slope(models: int) -> None:
    rng = np.random.default_rng(models)
    trials, covered, values = 120, 0, []
    for _ in range(trials):
        fitted = fit_scale(simulated(10 ** rng.uniform(8.5, 11, models), -0.1, rng))
        covered += fitted.low <= -0.1 <= fitted.high
        values.append(fitted.slope)
    # Three standard errors of a simulated coverage around 95%; with three models t with one degree of freedom is wider.
    assert covered / trials >= 0.89
    assert np.median(values) == pytest.approx(-0.1, abs=0.02)


def test_new_models_are_predicted_within_their_intervals() -> None:
    rng = np.random.default_rng(2)
    inside = total = 0
    for _ in range(12):
        tested = leave_one_model_out(simulated(10 ** rng.uniform(8.5, 11, 6), -0.1, rng))
        assert len(tested.predictions) == 24
        inside += sum(left_out.low <= left_out.row.value <= left_out.high for left_out in tested.predictions)
        total += 24
    assert 0.88 <= inside / total <= 1


def test_predictions_out_of_sample_detect_an_effect() -> None:
    rng = np.random.default_rng(3)
    sizes = np.geomspace(3e8, 1e11, 6)
    strong = leave_one_model_out(simulated(sizes, -0.1, rng))
    assert strong.r2 > 0.5 and "better than" in strong.verdict
    none = leave_one_model_out(simulated(sizes, 0.0, rng))
    assert none.r2 < 0.4


def test_a_line_is_recovered_and_extrapolated() -> None:
    fitted = fit_scale(simulated(np.array([1e9, 3e9, 1e10, 1e11]), -0.1, np.random.default_rng(4), noise=1e-3))
    assert fitted.slope == pytest.approx(-0.1, abs=1e-3)
    value, low, high = fitted.predict(1e12, ("t1", "single", "all"))
    assert value == pytest.approx(0.4 - 0.1 * 2.5, abs=0.01) and low < value < high
    with pytest.raises(KeyError):
        fitted.predict(1e9, ("t9", "single", "all"))


def test_the_strength_states_how_few_models_there_are() -> None:
    rng = np.random.default_rng(5)
    two = fit_scale(simulated(np.array([1e9, 1e10]), -0.1, rng))
    assert not isnan(two.slope) and isnan(two.low) and "no interval" in two.strength
    untested = leave_one_model_out(two.rows)
    assert untested.predictions == () and "cannot be tested" in untested.verdict
    alike = fit_scale(simulated(np.array([1e9, 1e9]), -0.1, rng))
    assert isnan(alike.slope) and "cannot be estimated" in alike.strength
    assert "1 degree of freedom" in fit_scale(simulated(np.array([1e9, 1e10, 1e11]), -0.1, rng)).strength
    with pytest.raises(ValueError, match="no rows"):
        fit_scale([])


def test_the_reference_study_is_weak_evidence_on_size() -> None:
    study = Study.of(reference_scores(), draws=300)
    for measure in MEASURES:
        rows = scale_rows(study, measure)
        assert len({row.model for row in rows}) == 3 and len(rows) == 21
        fitted = fit_scale(rows)
        assert fitted.low < 0 < fitted.high and "1 degree of freedom" in fitted.strength
    with pytest.raises(ValueError, match="is none of gain_seen"):
        scale_rows(study, "speed")
    assert scale_rows(study, "gap", {"aya-23-7b": 7e9})[0].parameters == 7e9


@pytest.mark.parametrize(
    ("name", "size"),
    [("llama-3.1-8b", 8e9), ("aya-23-35b", 35e9), ("Qwen3_0.6B", 0.6e9), ("pythia-160m", 160e6), ("tiny", None),
     ("mt5-b12", None)],
)  # fmt: skip
def test_sizes_are_parsed_from_model_names(name: str, size: float | None) -> None:
    assert parameters_in(name) == pytest.approx(size)


def test_dependent_columns_are_refused_and_variances_recovered() -> None:
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(30), 4)
    y = 1 + 0.5 * rng.standard_normal(30)[groups] + 0.1 * rng.standard_normal(120)
    design, effects = np.ones((120, 1)), [same(list(groups)), np.eye(120)]
    fitted = fit_mixed(y, design, effects, np.zeros(120), 29)
    assert fitted.standard_deviations == pytest.approx((0.5, 0.1), rel=0.35)
    low, high = fitted.interval(0)
    assert low < 1 < high
    with pytest.raises(ValueError, match="linearly dependent"):
        fit_mixed(y, np.ones((120, 2)), effects, np.zeros(120), 29)
