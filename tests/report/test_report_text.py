"""Numbers, units and lists as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.analysis.metrics import metric
from clt_ray.analysis.uncertainty import BOOTSTRAP, NO_INTERVAL, NORMAL, Estimate
from clt_ray.html_report.text import amount, counted, digits_for, enumerated, number, p_value, percent, slug, words


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [(-1.25, 1, False, "−1.2"), (-0.04, 1, True, "0.0"), (3.0, 0, True, "+3"), (12345.6, 0, False, "12,346"),
     (float("nan"), 1, False, "–")],
)  # fmt: skip
def test_numbers_are_rounded_and_signed(value: float, digits: int, signed: bool, text: str) -> None:
    assert number(value, digits, signed=signed) == text


@given(st.floats(-1e6, 1e6), st.integers(0, 3))
def test_a_shown_number_reads_back_within_its_rounding(value: float, digits: int) -> None:
    read = float(number(value, digits).replace("−", "-").replace(",", ""))
    assert read == pytest.approx(value, abs=0.51 * 10**-digits)


def test_lists_counts_shares_and_slugs() -> None:
    assert [enumerated(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert counted(1, "run") == "1 run" and counted(1200, "run") == "1,200 runs"
    assert percent(0.504) == "50%" and p_value(0.0004) == "< 0.001" and p_value(0.2) == "0.20"
    assert slug("org/Model 8B") == "org-model-8b" and slug("../..") == "unnamed"


def test_the_number_of_decimals_follows_the_width_of_the_interval() -> None:
    accuracy, rating = metric("accuracy"), metric("judge_rating")
    wide = Estimate(0.31, 0.24, 0.38, 100, "", ())
    assert digits_for(wide, accuracy) == 0 and amount(wide.estimate, accuracy, 0) == "31 points"
    assert digits_for(Estimate(0.31, 0.30, 0.32, 100, "", ()), accuracy) == 1
    assert digits_for(wide, rating) == 2
    assert amount(0.01, accuracy, 0) == "1 point"


def test_every_section_table_and_figure_has_its_words() -> None:
    kinds = {"sections": {"label", "title"}, "tables": {"title", "caption"}, "figures": {"title", "caption"}}
    assert set(words()) == {*kinds, "limits", "intervals"}
    assert all(words()["limits"].values()) and set(words()["intervals"]) == {BOOTSTRAP, NORMAL, NO_INTERVAL}
    for kind, needed in kinds.items():
        for name, texts in words()[kind].items():
            assert needed <= set(texts) and all(texts.values()), f"{kind}.{name}"
