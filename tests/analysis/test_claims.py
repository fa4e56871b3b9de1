"""Tests of the reference study's findings recomputed from its published scores, and of the verdicts."""

from __future__ import annotations

from math import isfinite

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.claims import NOT_SUPPORTED, SUPPORTED, UNTESTABLE, claims, table
from clt_ray.analysis.findings.tested import points_needed
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study


@pytest.fixture(scope="module")
def claim_table() -> pd.DataFrame:
    return table(Study.of(reference_scores())).set_index("claim")


def only_claim(claim_table: pd.DataFrame, *words: str) -> pd.Series:
    """Returns the only claim whose sentence contains all the words."""
    chosen = [claim for claim in claim_table.index if all(word in claim for word in words)]
    assert len(chosen) == 1, chosen
    claim: pd.Series = claim_table.loc[chosen[0]]
    return claim


# Recomputed by hand from Tables 3 to 23.
@pytest.mark.parametrize(
    ("words", "recomputed", "verdict"),
    [
        (("Instruction", "aya-23-7b", "nearer to English"), 0.068, SUPPORTED),
        (("Summarization", "aya-23-7b", "nearer to English"), 0.087, SUPPORTED),
        (("Math", "aya-23-7b", "nearer to English"), 0.252, NOT_SUPPORTED),
        (("Instruction", "llama-3.1-8b", "nearer to English"), 0.122, NOT_SUPPORTED),
        (("Summarization", "llama-3.1-8b", "nearer to English"), 0.142, SUPPORTED),
        (("Math", "llama-3.1-8b", "nearer to English"), 0.406, SUPPORTED),
        (("13 times",), 12.5, NOT_SUPPORTED),
        (("Math, aya-23-7b: training on other tasks",), -0.084, SUPPORTED),
        (("Math, aya-23-35b: training on other tasks",), 0.034, NOT_SUPPORTED),
        (("Instruction", "reaches about 90%"), 0.908, SUPPORTED),
        (("Math", "reaches about 60%"), 0.543, NOT_SUPPORTED),
        (("Latin-script languages is better",), 0.0086, NOT_SUPPORTED),
        (("Instruction", "need training data in other scripts"), 0.091, SUPPORTED),
        (("Instruction", "llama-3.1-8b", "improve together"), 0.83, SUPPORTED),
        (("Summarization", "aya-23-7b", "improve together"), 0.74, UNTESTABLE),
        (("Math", "llama-3.1-8b", "improve together"), 0.156, NOT_SUPPORTED),
        (("Summarization", "aya-23-7b", "stays constant"), 0.004, SUPPORTED),
        (("Summarization", "llama-3.1-8b", "stays constant"), 0.035, NOT_SUPPORTED),
        (("gap", "grows with data"), 0.092, SUPPORTED),
        (("Instruction", "aya-23-35b", "English alone"), 0.023, SUPPORTED),
    ],
)
def test_recomputed_numbers_and_verdicts(
    claim_table: pd.DataFrame, words: tuple[str, ...], recomputed: float, verdict: str
) -> None:
    claim = only_claim(claim_table, *words)
    assert claim["recomputed"] == pytest.approx(recomputed, abs=0.006)
    assert claim["verdict"] == verdict


def test_the_definition_states_the_number_that_follows_instead_of_the_published_one(claim_table: pd.DataFrame) -> None:
    claim = only_claim(claim_table, "Math", "aya-23-7b", "nearer to English")
    assert "give 25.2 points, not 22.7" in claim["definition"]


def test_math_samples_of_the_first_mixed_run_that_equals_the_single_task_best(claim_table: pd.DataFrame) -> None:
    claim = only_claim(claim_table, "11k instead of 18k")
    assert claim["recomputed"] == 11_000 and "the score is 66%" in claim["definition"]


@pytest.mark.parametrize(("rho", "needed"), [(0.39, 26), (0.67, 9), (0.88, 5), (0.85, 6)])
def test_number_of_points_that_a_published_p_value_needs(rho: float, needed: int) -> None:
    """From a table of critical values of the Pearson correlation at p = .05, two-sided, n - 2 degrees of freedom."""
    assert points_needed(rho) == needed


def test_every_claim_names_its_runs() -> None:
    study = Study.of(reference_scores())
    run_ids = set(study.scores["run_id"])
    for claim in claims(study):
        assert isfinite(claim.recomputed) and claim.run_ids and set(claim.run_ids) <= run_ids


def test_every_interval_is_in_order_and_every_claim_has_a_definition(claim_table: pd.DataFrame) -> None:
    with_interval = claim_table[claim_table["low"].notna()]
    assert (with_interval["low"] <= with_interval["high"]).all() and len(with_interval) >= 30
    assert (claim_table["definition"].str.len() > 30).all()
    assert set(claim_table["verdict"]) == {SUPPORTED, NOT_SUPPORTED, UNTESTABLE}


def test_claims_are_untestable_on_runs_of_other_models() -> None:
    scores = reference_scores()
    other_model = scores[scores["model"] == "llama-3.1-8b"].assign(model="my-model")
    assert {claim.verdict for claim in claims(Study.of(other_model))} == {UNTESTABLE}


@pytest.mark.parametrize(("rise", "verdict"), [(0.068, SUPPORTED), (0.03, NOT_SUPPORTED), (0.0, NOT_SUPPORTED)])
def test_the_verdict_changes_with_the_scores(rise: float, verdict: str) -> None:
    """Instruction following at 7B with another rise from n = 0, and no noise."""
    scores = reference_scores()
    selected = (scores["task"] == "instruction") & (scores["setting"] == "single") & (scores["model"] == "aya-23-7b")
    part = scores[selected & scores["run_id"].str.contains("-all-")].copy()
    share = np.where(part["samples_per_language"] == 0, 0.85, 0.85 + rise)
    part["score"] = np.where(part["eval_language"] == "en", 4.0, 4.0 * share)
    tested = [claim for claim in claims(Study.of(part)) if isfinite(claim.recomputed)]
    matches = [claim for claim in tested if "nearer to English" in claim.claim]
    assert [claim.verdict for claim in matches] == [verdict]
    assert matches[0].recomputed == pytest.approx(rise)
