"""Figures of the measures are shown in the sections that the page has, and nowhere else."""

from __future__ import annotations

import pandas as pd
import pytest

from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.study import Study
from clt_ray.analysis.tables import compute_all
from clt_ray.html_report.figures import Exhibit, exhibits
from clt_ray.html_report.findings import headline_curves
from clt_ray.html_report.sections import sections
from tests.support.scores import FULL_MODELS, full_sweep, smoke_sweep


def figures(scores: pd.DataFrame, items: pd.DataFrame) -> list[Exhibit]:
    known = load_scores(scores)
    study = Study.of(known, load_items(items), draws=200)
    tables = compute_all(study, known)
    drawn = exhibits(tables, headline_curves(study))
    groups = {group for section in sections(tables) for group in section.figures or (section.name,)}
    return [exhibit for exhibit in drawn if exhibit.section in groups]


@pytest.fixture(scope="module")
def rich() -> list[Exhibit]:
    return figures(*full_sweep())


def test_a_sweep_that_allows_every_measure_has_all_figures(rich: list[Exhibit]) -> None:
    tables = {exhibit.table for exhibit in rich}
    assert tables == {
        "relative_to_english", "seen_unseen", "per_language", "gain", "transfer_correlation", "gain_over_runs",
        "leave_one_out", "equal_volume", "follow_rates", "source_to_target",
    }  # fmt: skip
    assert len({exhibit.name for exhibit in rich}) == len(rich)
    assert all(exhibit.caption and exhibit.svg.startswith("<?xml") for exhibit in rich)


def test_a_figure_that_would_be_too_long_is_split_by_model(rich: list[Exhibit]) -> None:
    places = [exhibit for exhibit in rich if exhibit.table == "follow_rates"]
    names = [place.name for place in places]
    assert names == ["follow_rates"] or names == [f"follow_rates_{model}" for model in FULL_MODELS]
    assert [place.folded for place in places] == [index > 0 for index in range(len(places))]


def test_mixed_runs_have_a_figure_of_interference() -> None:
    drawn = figures(*smoke_sweep(items_per_language=20))
    assert [exhibit.section for exhibit in drawn if exhibit.table == "interference"] == ["comparisons"]
