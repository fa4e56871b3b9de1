"""Optional sections appear when the runs allow them and state what their tables show."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.study import Study
from clt_ray.analysis.tables import compute_all
from clt_ray.html_report import Heading, ReportData, build_report
from clt_ray.html_report.sections import Section, sections
from clt_ray.html_report.tables import left_out
from tests.support.scores import full_sweep, smoke_sweep

ALL = ("chance", "leave-one-out", "volume", "sources", "follow-rates", "fidelity")
STANDARD = {"english", "transfer", "comparisons"}


def optional_sections(tables: dict[str, pd.DataFrame]) -> list[Section]:
    return [section for section in sections(tables) if section.name not in STANDARD and section.name[:4] != "task"]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    scores, items = full_sweep()
    known = load_scores(scores)
    study = Study.of(known, load_items(items), draws=400)
    return compute_all(study, known)


@pytest.fixture(scope="module")
def shown(tables: dict[str, pd.DataFrame]) -> dict[str, Section]:
    return {section.name: section for section in optional_sections(tables)}


def test_a_sweep_that_allows_every_section_shows_every_section(shown: dict[str, Section]) -> None:
    assert tuple(shown) == ALL
    assert all(table.rows for section in shown.values() for table in section.tables)
    assert all(section.statement.endswith(".") for section in shown.values())


def test_a_sweep_without_controls_has_no_sections_on_them() -> None:
    scores, items = smoke_sweep()
    study = Study.of(load_scores(scores), load_items(items), draws=200)
    names = {section.name for section in optional_sections(compute_all(study, load_scores(scores)))}
    assert not names & {"volume", "sources", "fidelity"}
    assert "leave-one-out" in names


def test_a_single_run_has_no_optional_sections() -> None:
    scores, _ = smoke_sweep()
    run_scores = load_scores(scores[scores["run_id"] == "tiny-math-none-0-0"])
    study = Study.of(run_scores)
    assert optional_sections(compute_all(study, run_scores)) == []


def test_statements_count_the_rows_of_the_tables(tables: dict[str, pd.DataFrame], shown: dict[str, Section]) -> None:
    better, worse, rest = map(
        int, re.findall(r"better in (\d+), worse in (\d+), and .* in (\d+)\.", shown["volume"].statement)[0]
    )
    controls = tables["equal_volume"]
    assert better == ((controls["q"] < 0.05) & (controls["difference"] > 0)).sum() > 0
    assert better + worse + rest == len(controls)
    assert "at least 75% (Summarization" in shown["fidelity"].statement
    medians = tables["follow_rates"].groupby("task")["follow_rate"].median()
    for rate, label in re.findall(r"(−?[\d.]+) in (\w+)", shown["follow-rates"].statement):
        assert float(rate.replace("−", "-")) == pytest.approx(medians[label.lower()], abs=0.005)
    assert len(medians) == shown["follow-rates"].statement.count(" in ") > 1
    assert shown["chance"].statement.count("when the noise is included") == 1


def test_a_table_has_a_row_per_pair_of_languages(shown: dict[str, Section], tables: dict[str, pd.DataFrame]) -> None:
    (pairs,) = shown["sources"].tables
    assert pairs.heads[4:7] == ("Language added", "Evaluated in", "Gain")
    assert len(pairs.rows) == (tables["source_to_target"]["samples_per_language"] == 400).sum()
    assert {row[4].text for row in pairs.rows} == {"Spanish", "Japanese"}


def test_the_whole_gap_lies_between_the_gaps_with_one_language_left_out(tables: dict[str, pd.DataFrame]) -> None:
    row = left_out(tables["leave_one_out"]).rows[0]
    smallest, gap, largest = (float(row[column].text.replace("−", "-")) for column in (6, 5, 8))
    assert smallest <= gap <= largest


def test_the_page_contains_all_sections_and_figures(tmp_path: Path) -> None:
    scores, items = full_sweep(seeds=1)
    data = ReportData(load_scores(scores), load_items(items))
    page = build_report(data, Heading("all", command="c"), tmp_path).read_text("utf-8")
    assert all(f'<section id="{name}"' in page and f'href="#{name}"' in page for name in ALL)
    assert all((tmp_path / link).is_file() for link in re.findall(r'href="((?:tables|figures)/[^"]+)"', page))
    assert all(f'id="figure-{name}"' in page for name in ("source_to_target", "equal_volume"))
