"""Figures of the measures stand in the sections that the page has, and nowhere else."""

from __future__ import annotations

import pandas as pd
import pytest

from clt_ray.analysis.comparisons import interference
from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.study import Study
from clt_ray.analysis.tables import gain
from clt_ray.report.figures import Exhibit
from clt_ray.report.measure_figures import ALWAYS, measure_exhibits
from clt_ray.report.sections import frames, sections
from clt_ray.report.verdicts import headline_curves
from tests.support import rich_sweep, synthetic_scores


def figures(scores: pd.DataFrame, items: pd.DataFrame) -> list[Exhibit]:
    known = load_scores(scores)
    study = Study.of(known, load_items(items), draws=200)
    tables = frames(study, known) | {"gain": gain(study), "interference": interference(study)}
    shown = sections(tables)
    found = measure_exhibits(tables, headline_curves(study), shown)
    assert {each.section for each in found} <= {ALWAYS, *(section.name for section in shown)}
    return found


@pytest.fixture(scope="module")
def rich() -> list[Exhibit]:
    return figures(*rich_sweep.sweep())


def test_a_sweep_that_allows_everything(rich: list[Exhibit]) -> None:
    tables = {each.table for each in rich}
    assert tables == {
        "gain_over_runs", "peaks", "leave_one_out", "equal_volume", "follow_rates", "source_to_target",
    }  # fmt: skip
    assert len({each.name for each in rich}) == len(rich)
    assert all(each.caption and each.svg.startswith("<?xml") for each in rich)


def test_what_is_too_long_for_one_figure_has_one_per_model(rich: list[Exhibit]) -> None:
    rates = [each for each in rich if each.table == "follow_rates"]
    names = [each.name for each in rates]
    assert names == ["follow_rates"] or names == [f"follow_rates_{model}" for model in rich_sweep.MODELS]
    assert [each.folded for each in rates] == [place > 0 for place in range(len(rates))]


def test_mixed_runs_have_the_figure_of_interference() -> None:
    found = figures(*synthetic_scores.sweep(items_per_language=20))
    assert [each.section for each in found if each.table == "interference"] == [ALWAYS]
