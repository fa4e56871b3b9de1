"""The gap with each language left out, by hand and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.analysis.leave_one_language_out import leave_one_out
from clt_ray.analysis.study import Study
from tests.support.made_runs import run, scores

LANGUAGES = ("es", "ja", "ko", "ar")


def test_one_language_carries_the_gap() -> None:
    study = Study.of(scores(run("es+ja", 100, {"en": 0.9, "es": 0.8, "ja": 0.2, "ko": 0.2, "ar": 0.1})))
    found = leave_one_out(study).set_index("left_out")
    assert found["gap"].to_dict() == pytest.approx({"es": 0.05, "ja": 0.65, "ko": 0.4, "ar": 0.3})
    assert found["change"].to_dict() == pytest.approx({"es": -0.3, "ja": 0.3, "ko": 0.05, "ar": -0.05})
    assert found["exposure"].to_dict() == {"es": "seen", "ja": "seen", "ko": "unseen", "ar": "unseen"}
    assert found.loc["es", "change_high"] < 0 < found.loc["ja", "change_low"]


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_changes_of_one_side_add_up_to_nothing(values: list[float]) -> None:
    """Means without each language average to the mean, so leaving out is as often up as down."""
    study = Study.of(scores(run("es+ja", 100, {"en": 0.5} | dict(zip(LANGUAGES, values, strict=True)))), draws=10)
    changes = leave_one_out(study).groupby("exposure")["change"].sum()
    assert np.allclose(changes, 0, atol=1e-9)


def test_a_side_of_one_language_keeps_it() -> None:
    study = Study.of(scores(run("es", 100, {"en": 0.9, "es": 0.8, "ko": 0.2, "ar": 0.1})))
    assert set(leave_one_out(study)["left_out"]) == {"ko", "ar"}
    assert leave_one_out(Study.of(scores(run("", 0, {"en": 0.9, "es": 0.8})))).empty
