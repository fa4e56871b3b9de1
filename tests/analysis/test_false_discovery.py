"""Tests of the false discovery rate adjustment against a worked example and its definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clt_ray.analysis.table_columns import FALSE_DISCOVERY_RATE, add_q_values, benjamini_hochberg

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_worked_example() -> None:
    assert benjamini_hochberg([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.04, 0.04, 0.5])


@given(P_VALUES)
def test_it_equals_the_adjustment_of_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), abs=1e-12)


@given(P_VALUES)
def test_discoveries_by_q_value_are_those_of_the_step_up_rule(p: list[float]) -> None:
    """The discoveries are the k smallest p values for the largest k with p_(k) <= rate * k / m."""
    ranked = sorted(p)
    called = max((k for k in range(1, len(p) + 1) if ranked[k - 1] <= FALSE_DISCOVERY_RATE * k / len(p)), default=0)
    assert (benjamini_hochberg(p) <= FALSE_DISCOVERY_RATE + 1e-12).sum() >= called
    assert (benjamini_hochberg(p) < FALSE_DISCOVERY_RATE - 1e-12).sum() <= called


def test_missing_p_values_are_not_members_of_the_family() -> None:
    adjusted = benjamini_hochberg([0.01, np.nan, 0.04])
    assert adjusted == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert benjamini_hochberg([]).size == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([1.5])


def test_families_are_adjusted_separately_and_q_follows_p() -> None:
    table = pd.DataFrame({"task": ["a", "b", "a"], "p": [0.01, 0.01, 0.5], "x": 1}, index=[7, 3, 9])
    adjusted = add_q_values(table, ["task"])
    assert list(adjusted.columns) == ["task", "p", "q", "x"] and list(adjusted.index) == [7, 3, 9]
    assert adjusted["q"].tolist() == pytest.approx([0.02, 0.01, 0.5])
    assert list(add_q_values(table.iloc[:0], ["task"]).columns) == ["task", "p", "q", "x"]
