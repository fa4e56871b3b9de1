"""Gains from each training language to each evaluation language, compared with numbers computed by hand."""

from __future__ import annotations

import pytest

from clt_ray.analysis.curve_tables import DIRECT, TRANSFER, source_to_target
from clt_ray.analysis.study import Study
from tests.support.scores import run, scores

START = {"en": 0.6, "es": 0.2, "ja": 0.1}


def test_there_is_a_row_per_training_and_evaluation_language() -> None:
    study = Study.of(
        scores(
            run("", 0, START),
            run("es", 100, {"en": 0.6, "es": 0.5, "ja": 0.3}),
            run("ja", 100, {"en": 0.5, "es": 0.3, "ja": 0.4}),
            run("es+ja", 100, {"en": 0.5, "es": 0.9, "ja": 0.9}),
            run("en", 100, {"en": 0.9, "es": 0.9, "ja": 0.9}, group="english:1"),
        )
    )
    table = source_to_target(study)
    gains = {(row["source"], row["target"]): row["gain"] for row in table.to_dict("records")}
    assert gains == pytest.approx(
        {
            ("es", "en"): 0.0,
            ("es", "es"): 0.3,
            ("es", "ja"): 0.2,
            ("ja", "en"): -0.1,
            ("ja", "es"): 0.1,
            ("ja", "ja"): 0.3,
        }
    )
    direct = table[table["route"] == DIRECT]
    assert list(direct["source"]) == list(direct["target"]) == ["es", "ja"]
    assert (table["route"] == TRANSFER).sum() == 4


def test_without_an_n_0_run_or_a_single_language_run_there_is_no_matrix() -> None:
    assert source_to_target(Study.of(scores(run("es", 100, START)))).empty
    assert source_to_target(Study.of(scores(run("", 0, START), run("es+ja", 100, START)))).empty
