"""Tests of the mixed-effects model against known variances."""

from __future__ import annotations

import numpy as np
import pytest

from clt_ray.analysis.follow_rates import fit_mixed, same


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
