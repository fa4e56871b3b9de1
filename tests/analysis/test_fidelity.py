"""Tests of language fidelity per run and language."""

from __future__ import annotations

import pandas as pd
import pytest

from clt_ray.analysis.curve_tables import fidelity
from clt_ray.analysis.loading import load_scores
from clt_ray.analysis.metrics import primary_scores
from clt_ray.analysis.uncertainty import wilson
from tests.support.scores import run, scores


def test_fidelity_rows_have_their_wilson_interval_in_reading_order() -> None:
    plain = scores(run("es", 100, {"es": 0.4, "en": 0.7}), run("", 0, {"es": 0.1, "en": 0.7}))
    passes = plain.assign(metric="fidelity", score=[0.97, 1.0, 0.6, 1.0], stderr=0.0)
    both = load_scores(pd.concat([plain, passes]))
    table = fidelity(both)
    assert table[["samples_per_language", "eval_language", "fidelity"]].to_numpy().tolist() == [
        [0, "en", 1.0], [0, "es", 0.6], [100, "en", 1.0], [100, "es", 0.97],
    ]  # fmt: skip
    assert (table["low"].iloc[1], table["high"].iloc[1]) == pytest.approx(wilson(0.6, 100))
    assert table["run_ids"].iloc[3] == "m-single-es-100-0-math" and table["mixture"].iloc[3] == "math"
    # It never stands in for the score of a task.
    assert set(primary_scores(both)["metric"]) == {"accuracy"}
    assert fidelity(plain).empty and list(fidelity(plain).columns) == list(table.columns)
