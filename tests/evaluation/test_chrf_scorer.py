"""chrF equals that of sacrebleu, divided by 100."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu import sentence_chrf

from clt_ray.evaluation.scorers.chrf import score


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_agrees_with_sacrebleu(prediction: str, reference: str) -> None:
    expected = sentence_chrf(prediction, [reference]).score / 100
    assert score(prediction, reference, "en") == {"reference_chrf": pytest.approx(expected)}


def test_identical_texts_score_one() -> None:
    assert score("こんにちは世界", "こんにちは世界", "ja") == {"reference_chrf": pytest.approx(1.0)}


def test_an_empty_prediction_scores_zero() -> None:
    assert score(" \n", "hello", "en") == {"reference_chrf": 0.0}


def test_without_a_reference_there_is_no_score() -> None:
    assert score("hello", "", "en") == {}
