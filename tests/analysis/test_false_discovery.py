"""False-discovery control against a worked example, its definition and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clt_ray.analysis.false_discovery import FALSE_DISCOVERY_RATE, add_q_values, benjamini_hochberg

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_worked_example() -> None:
    assert benjamini_hochberg([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.04, 0.04, 0.5])


@given(P_VALUES)
def test_it_is_the_adjustment_of_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), abs=1e-12)


@given(P_VALUES)
def test_calling_q_below_a_share_is_the_step_up_rule(p: list[float]) -> None:
    """The largest k whose k-th smallest p is at most share * k / m, and all below it."""
    ranked = sorted(p)
    called = max((k for k in range(1, len(p) + 1) if ranked[k - 1] <= FALSE_DISCOVERY_RATE * k / len(p)), default=0)
    assert (benjamini_hochberg(p) <= FALSE_DISCOVERY_RATE + 1e-12).sum() >= called
    assert (benjamini_hochberg(p) < FALSE_DISCOVERY_RATE - 1e-12).sum() <= called


def test_what_has_no_p_value_is_no_member_of_the_family() -> None:
    found = benjamini_hochberg([0.01, np.nan, 0.04])
    assert found == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert benjamini_hochberg([]).size == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([1.5])


def test_families_are_corrected_apart_and_q_stands_after_p() -> None:
    table = pd.DataFrame({"task": ["a", "b", "a"], "p": [0.01, 0.01, 0.5], "x": 1}, index=[7, 3, 9])
    found = add_q_values(table, ["task"])
    assert list(found.columns) == ["task", "p", "q", "x"] and list(found.index) == [7, 3, 9]
    assert found["q"].tolist() == pytest.approx([0.02, 0.01, 0.5])
    assert list(add_q_values(table.iloc[:0], ["task"]).columns) == ["task", "p", "q", "x"]
