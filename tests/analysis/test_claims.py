"""The study's findings recomputed from its published scores, and what makes a verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.claims import NOT_SUPPORTED, SUPPORTED, UNTESTABLE, claims, table
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return table(Study.of(reference_scores())).set_index("claim")


def of(found: pd.DataFrame, *words: str) -> pd.Series:
    """The one claim that holds all the words."""
    chosen = [claim for claim in found.index if all(word in claim for word in words)]
    assert len(chosen) == 1, chosen
    return found.loc[chosen[0]]


# Recomputed by hand from Tables 3 to 23.
@pytest.mark.parametrize(
    ("words", "recomputed", "verdict"),
    [
        (("Instruction", "aya-23-7b", "nearer to English"), 0.068, NOT_SUPPORTED),
        (("Summarization", "aya-23-7b", "nearer to English"), 0.087, SUPPORTED),
        (("Math", "aya-23-7b", "nearer to English"), 0.252, NOT_SUPPORTED),
        (("Instruction", "llama-3.1-8b", "nearer to English"), 0.122, SUPPORTED),
        (("Math", "llama-3.1-8b", "nearer to English"), 0.406, SUPPORTED),
        (("13 times",), 12.5, NOT_SUPPORTED),
        (("Math, aya-23-7b: training together",), -0.084, SUPPORTED),
        (("Math, aya-23-35b: training together",), 0.034, NOT_SUPPORTED),
        (("Latin-script languages is better",), 0.0086, NOT_SUPPORTED),
        (("Instruction", "llama-3.1-8b", "improve together"), 0.83, SUPPORTED),
        (("Summarization", "aya-23-7b", "improve together"), 0.74, UNTESTABLE),
    ],
)
def test_golden(found: pd.DataFrame, words: tuple[str, ...], recomputed: float, verdict: str) -> None:
    claim = of(found, *words)
    assert claim["recomputed"] == pytest.approx(recomputed, abs=0.006)
    assert claim["verdict"] == verdict


def test_where_a_number_does_not_follow_the_definition_says_what_does(found: pd.DataFrame) -> None:
    assert "give 25.2 points, not 22.7" in of(found, "Math", "aya-23-7b", "nearer to English")["definition"]


def test_every_interval_is_in_order_and_every_claim_has_a_definition(found: pd.DataFrame) -> None:
    known = found[found["low"].notna()]
    assert (known["low"] <= known["high"]).all() and len(known) >= 30
    assert (found["definition"].str.len() > 30).all()
    assert set(found["verdict"]) == {SUPPORTED, NOT_SUPPORTED, UNTESTABLE}


def test_runs_that_the_claims_are_not_about_cannot_test_them() -> None:
    scores = reference_scores()
    own = scores[scores["model"] == "llama-3.1-8b"].assign(model="my-model")
    assert {claim.verdict for claim in claims(Study.of(own))} == {UNTESTABLE}


def test_a_claim_that_is_true_of_other_scores_is_supported_there() -> None:
    """The verdict follows the scores: with less noise and the study's gain, instruction following is supported."""
    scores = reference_scores()
    chosen = (scores["task"] == "instruction") & (scores["setting"] == "single") & (scores["model"] == "aya-23-7b")
    part = scores[chosen & (scores["language_group"] == "all") | chosen & (scores["language_group"] == "none")].copy()
    part = part[part["run_id"].str.contains("-all-")]
    share = np.where(
        part["samples_per_language"] == 0, 0.8502, np.where(part["samples_per_language"] < 400, 0.915, 0.918)
    )
    part["score"] = np.where(part["eval_language"] == "en", 4.0, 4.0 * share)
    verdicts = {claim.claim: claim.verdict for claim in claims(Study.of(part))}
    assert verdicts[
        "Instruction following, aya-23-7b: multilingual data brings the other languages nearer to English"
    ] == (SUPPORTED)
