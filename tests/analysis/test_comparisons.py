"""Plateaus, mixing and scripts as frames, against the published scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clt_ray.analysis.comparisons import interference, plateau
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.script_effect import script_effect
from clt_ray.analysis.study import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.of(reference_scores())


def mean(model: str, setting: str, task: str, samples: int, languages: list[str], group: str = "all") -> float:
    """Straight from the file."""
    scores = reference_scores()
    name = task if setting == "single" else "mixed"
    rows = scores[(scores["run_id"] == f"paper-{model}-{name}-{group}-n{samples}") & (scores["task"] == task)]
    return float(rows[rows["eval_language"].isin(languages)]["score"].mean())


def test_interference_is_mixed_minus_single_at_the_same_n(study: Study) -> None:
    found = interference(study)
    row = found[(found["model"] == "aya-23-7b") & (found["task"] == "math") & (found["samples_per_language"] == 1000)
                & (found["exposure"] == "unseen")]  # fmt: skip
    unseen = ["ar", "ko", "pt"]
    expected = mean("aya-23-7b", "multi", "math", 1000, unseen) - mean("aya-23-7b", "single", "math", 1000, unseen)
    assert row["interference"].item() == pytest.approx(expected)
    assert row["low"].item() < expected < row["high"].item()
    # Both designs were run at these sizes only.
    assert set(found["samples_per_language"]) == {0, 100, 1000, 2000, 5000}
    assert set(found["model"]) == {"aya-23-7b", "aya-23-35b"}


def test_the_script_interaction_is_a_difference_of_differences(study: Study) -> None:
    found = script_effect(study)
    row = found[(found["effect"] == "interaction") & (found["task"] == "math") & (found["language_group"] == "latin")
                & (found["against"] == "non_latin") & (found["samples_per_language"] == 800)]  # fmt: skip

    def gain(group: str, languages: list[str]) -> float:
        return (mean("aya-23-7b", "single", "math", 800, languages, group)
                - mean("aya-23-7b", "single", "math", 0, languages, group))  # fmt: skip

    latin, other = ["es", "fr", "pt"], ["ar", "ja", "ko", "zh"]
    expected = (gain("latin", latin) - gain("non_latin", latin)) - (gain("latin", other) - gain("non_latin", other))
    assert row["estimate"].item() == pytest.approx(expected)


def test_every_curve_has_a_plateau_or_a_reason(study: Study) -> None:
    found = plateau(study)
    assert len(found) == len(study.curves)
    settled = found[np.isfinite(found["plateau"])]
    assert (settled["low"] <= settled["plateau"]).all() and (settled["plateau"] <= settled["high"]).all()
    assert set(found.loc[~np.isfinite(found["plateau"]), "verdict"]) == {"not saturating"}


def test_a_sweep_without_anything_to_compare_gives_empty_tables() -> None:
    scores = reference_scores()
    start: pd.DataFrame = scores[(scores["samples_per_language"] == 0) & (scores["setting"] == "single")]
    lonely = Study.of(start[start["model"] == "llama-3.1-8b"])
    assert plateau(lonely).empty and interference(lonely).empty and script_effect(lonely).empty
