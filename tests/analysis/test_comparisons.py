"""Tests of the tables of plateaus, interference and script effects against the published scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.comparisons import interference, plateau, script_effect
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.of(reference_scores())


def mean(model: str, setting: str, task: str, samples: int, languages: list[str], group: str = "all") -> float:
    """Returns the mean score computed from the scores file without the analysis."""
    scores = reference_scores()
    name = task if setting == "single" else "mixed"
    rows = scores[(scores["run_id"] == f"paper-{model}-{name}-{group}-n{samples}") & (scores["task"] == task)]
    return float(rows[rows["eval_language"].isin(languages)]["score"].mean())


def test_interference_is_mixed_minus_single_at_the_same_n(study: Study) -> None:
    table = interference(study)
    row = table[(table["model"] == "aya-23-7b") & (table["task"] == "math") & (table["samples_per_language"] == 1000)
                & (table["exposure"] == "unseen")]  # fmt: skip
    unseen = ["ar", "ko", "pt"]
    expected = mean("aya-23-7b", "multi", "math", 1000, unseen) - mean("aya-23-7b", "single", "math", 1000, unseen)
    assert row["interference"].item() == pytest.approx(expected)
    assert row["low"].item() < expected < row["high"].item()
    # Both designs were run at these sizes only.
    assert set(table["samples_per_language"]) == {0, 100, 1000, 2000, 5000}
    assert set(table["model"]) == {"aya-23-7b", "aya-23-35b"}


def test_the_script_interaction_is_a_difference_of_differences(study: Study) -> None:
    table = script_effect(study)
    row = table[(table["effect"] == "interaction") & (table["task"] == "math") & (table["language_group"] == "latin")
                & (table["against"] == "non_latin") & (table["samples_per_language"] == 800)]  # fmt: skip

    def gain(group: str, languages: list[str]) -> float:
        return (mean("aya-23-7b", "single", "math", 800, languages, group)
                - mean("aya-23-7b", "single", "math", 0, languages, group))  # fmt: skip

    latin, other = ["es", "fr", "pt"], ["ar", "ja", "ko", "zh"]
    expected = (gain("latin", latin) - gain("non_latin", latin)) - (gain("latin", other) - gain("non_latin", other))
    assert row["estimate"].item() == pytest.approx(expected)


def test_every_curve_without_a_plateau_has_a_verdict(study: Study) -> None:
    table = plateau(study)
    assert len(table) == len(study.curves)
    settled = table[np.isfinite(table["plateau"])]
    assert (settled["low"] <= settled["plateau"]).all() and (settled["plateau"] <= settled["high"]).all()
    assert set(table.loc[~np.isfinite(table["plateau"]), "verdict"]) == {"not saturating"}


def test_a_sweep_without_comparable_curves_gives_empty_tables() -> None:
    scores = reference_scores()
    start: pd.DataFrame = scores[(scores["samples_per_language"] == 0) & (scores["setting"] == "single")]
    lonely = Study.of(start[start["model"] == "llama-3.1-8b"])
    assert plateau(lonely).empty and interference(lonely).empty and script_effect(lonely).empty
