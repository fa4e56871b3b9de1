"""Tests of language groups against equal-volume controls, computed by hand."""

from __future__ import annotations

import pytest

from clt_ray.analysis.comparisons import equal_volume
from clt_ray.analysis.study import Study
from tests.support.scores import run, scores

START = {"en": 0.6, "es": 0.2, "ja": 0.1, "ko": 0.1}
GROUP = {"en": 0.6, "es": 0.5, "ja": 0.4, "ko": 0.2}
CONTROL = {"en": 0.7, "es": 0.3, "ja": 0.1, "ko": 0.15}


def test_the_difference_is_group_minus_control_of_equal_n() -> None:
    study = Study.of(
        scores(
            run("", 0, START),
            run("es+ja", 100, GROUP, group="two"),
            run("en", 100, CONTROL, group="english:2"),
            run("en", 200, CONTROL, group="english:2"),
        )
    )
    table = equal_volume(study).set_index("exposure")
    assert set(table["language_group"]) == {"two"} and set(table["control"]) == {"english:2"}
    assert table["difference"].to_dict() == pytest.approx({"seen": 0.25, "unseen": 0.05, "english": -0.1})
    # `seen` is computed from four scores with a standard error of 0.02: sqrt(4 * 0.02^2 / 4) = 0.02.
    width = (table["high"] - table["low"]).to_dict()["seen"]
    assert width == pytest.approx(2 * 1.96 * 0.02, rel=0.06)
    assert (table["q"] >= table["p"]).all()


def test_the_control_must_replace_the_same_number_of_languages() -> None:
    study = Study.of(
        scores(run("", 0, START), run("es", 100, GROUP), run("en", 100, CONTROL, group="english:2")),
    )
    assert equal_volume(study).empty
    assert [curve.is_control for curve in study.curves] == [
        curve.language_group == "english:2" for curve in study.curves
    ]


def test_a_control_without_the_same_n_gives_no_row() -> None:
    study = Study.of(scores(run("es", 100, GROUP), run("en", 200, CONTROL, group="english:1")))
    assert equal_volume(study).empty
