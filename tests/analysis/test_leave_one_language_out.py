"""Tests of the gap with each language left out, computed by hand and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.analysis.curve_tables import leave_one_out
from clt_ray.analysis.study import Study
from tests.support.scores import run, scores

LANGUAGES = ("es", "ja", "ko", "ar")


def test_the_language_that_causes_the_gap_has_the_largest_change() -> None:
    study = Study.of(scores(run("es+ja", 100, {"en": 0.9, "es": 0.8, "ja": 0.2, "ko": 0.2, "ar": 0.1})))
    gaps = leave_one_out(study).set_index("left_out")
    assert gaps["gap"].to_dict() == pytest.approx({"es": 0.05, "ja": 0.65, "ko": 0.4, "ar": 0.3})
    assert gaps["change"].to_dict() == pytest.approx({"es": -0.3, "ja": 0.3, "ko": 0.05, "ar": -0.05})
    assert gaps["exposure"].to_dict() == {"es": "seen", "ja": "seen", "ko": "unseen", "ar": "unseen"}
    assert gaps["change_high"].to_dict()["es"] < 0 < gaps["change_low"].to_dict()["ja"]


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_changes_of_one_exposure_add_up_to_zero(values: list[float]) -> None:
    """The means without each language average to the mean over all, so their changes add up to zero."""
    study = Study.of(scores(run("es+ja", 100, {"en": 0.5} | dict(zip(LANGUAGES, values, strict=True)))), draws=10)
    changes = leave_one_out(study).groupby("exposure")["change"].sum()
    assert np.allclose(changes, 0, atol=1e-9)


def test_the_only_language_of_an_exposure_is_not_left_out() -> None:
    study = Study.of(scores(run("es", 100, {"en": 0.9, "es": 0.8, "ko": 0.2, "ar": 0.1})))
    assert set(leave_one_out(study)["left_out"]) == {"ko", "ar"}
    assert leave_one_out(Study.of(scores(run("", 0, {"en": 0.9, "es": 0.8})))).empty
