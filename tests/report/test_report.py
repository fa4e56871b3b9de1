"""The report as a reader gets it: its statements, its lists, and what text from outside can do to the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from clt_ray.analysis.loading import SCORE_COLUMNS, load_items, load_scores
from clt_ray.analysis.reference import reference_scores
from clt_ray.errors import ConfigurationError
from clt_ray.html_report import Heading, ReportData, build_report
from tests.support.scores import smoke_runs, smoke_sweep

EVIL = "<script>alert('$x_1$')</script>--><b>&\"日本語"


class Page(HTMLParser):
    """Tags, ids, links and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._hidden = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute))]


HEADING = Heading("smoke", "clt-ray report sweeps/smoke.yaml")


def data(**changes: object) -> ReportData:
    """Returns a finished synthetic sweep with some fields replaced."""
    scores, items = smoke_sweep()
    whole = ReportData(load_scores(scores), load_items(items), smoke_runs())
    return replace(whole, **changes)  # type: ignore[arg-type]


def build(out: Path, report_data: ReportData, heading: Heading = HEADING) -> Page:
    page = build_report(report_data, heading, out)
    assert page == out / "index.html"
    return Page(page.read_text("utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    url = "http://127.0.0.1:5000/#/experiments/1"
    return build(folder, data(), replace(HEADING, question="How much is enough?", mlflow_url=url))


def test_findings_state_numbers_and_intervals_and_whether_zero_is_included(page: Page) -> None:
    for task in ("Summarization", "Instruction following", "Math"):
        assert re.search(rf"{task} improves by \d+(\.\d)? points \(95% interval [\d.]+ to [\d.]+\) in seen", page.words)
    assert "200 samples per language are added" in page.words
    assert "Spanish, French, Japanese and Chinese" in page.words
    assert re.search(r"Unseen languages: [+−]\d", page.words)
    assert re.search(r"English: \S+ points? \(−[\d.]+ to [\d.]+, includes zero\)", page.words)
    assert "How much is enough?" in page.words


def test_limitations_are_computed_from_the_scores(page: Page) -> None:
    assert "Every run was trained with one seed" in page.words
    assert "bundled tiny model" in page.words
    assert "not by a judge" in page.words
    assert "50 items per language" in page.words


def test_the_page_needs_neither_a_network_nor_other_files(page: Page) -> None:
    assert not [link for link in page.values("src") if link]
    outside = [link for link in page.values("href") if link.startswith(("http:", "https:", "//"))]
    assert all(link.startswith("http://127.0.0.1:5000/") for link in outside)
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object"} == set()


def test_every_linked_file_and_anchor_exists(page: Page, folder: Path) -> None:
    local = [link for link in page.values("href") if not link.startswith(("http", "#"))]
    assert local and all((folder / link).is_file() for link in local)
    anchors = [link[1:] for link in page.values("href") if link.startswith("#")]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert set(anchors) <= set(ids)


def test_figures_have_text_alternatives_and_text_and_no_fixed_colours(page: Page, folder: Path) -> None:
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == len(list((folder / "figures").glob("*.svg"))) >= 9
    assert all(len(chart["aria-label"] or "") > 30 for chart in charts)
    source = (folder / "index.html").read_text("utf-8")
    inside = re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL)
    assert all("var(--ink)" in chart and "<text" in chart and "<style" not in chart for chart in inside)
    assert "#222221" not in "".join(inside)
    assert "prefers-color-scheme: dark" in source and "@page" in source
    for file in (folder / "figures").glob("*.svg"):
        ElementTree.parse(file)
        assert (file.with_suffix(".png")).read_bytes().startswith(b"\x89PNG")


def test_tables_have_the_names_and_columns_of_the_design(page: Page, folder: Path) -> None:
    columns = {path.stem: list(pd.read_csv(path).columns) for path in (folder / "tables").glob("*.csv")}
    assert set(columns) == {
        "relative_to_english", "seen_unseen", "gain", "per_language", "transfer_correlation", "plateau", "interference",
        "script_effect", "claims", "script_by_task", "leave_one_out", "noise", "gain_over_runs",
        "equal_volume", "source_to_target", "follow_rates", "fidelity",
    }  # fmt: skip
    assert columns["claims"] == ["claim", "published", "recomputed", "low", "high", "definition", "verdict"]
    assert columns["transfer_correlation"][:9] == [
        "model", "task", "setting", "language_group", "n", "spearman", "p", "low", "high",
    ]  # fmt: skip
    assert {"model", "setting", "task", "language_group", "train_languages", "samples_per_language", "seed"} <= set(
        columns["gain"]
    )
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores.columns) == list(SCORE_COLUMNS)
    pd.testing.assert_frame_equal(load_scores(folder / "scores.csv"), load_scores(scores))


def test_runs_are_listed_in_natural_order_with_their_links(page: Page) -> None:
    runs = page.words[page.words.index("Run id") :]
    order = ["tiny-math-none-0-0", "tiny-math-all-50-0", "tiny-math-all-200-0", "tiny-math-latin-200-0"]
    assert sorted(order, key=runs.index) == order
    links = [link for link in page.values("href") if "searchFilter" in link]
    assert len(links) == 13 and "tags.%60clt.run_id%60" in links[0]


def test_missing_and_failed_runs_are_listed(tmp_path: Path) -> None:
    runs = smoke_runs()
    failed, waiting = runs[4]["run_id"], runs[8]["run_id"]
    runs[4] |= {"state": "failed", "error": "RuntimeError: loss is not finite at step 40"}
    runs[8] |= {"state": "waiting"}
    scores, items = smoke_sweep()
    left = ~scores["run_id"].isin([failed, waiting])
    kept = items[~items["run_id"].isin([failed, waiting])]
    page = build(tmp_path, ReportData(load_scores(scores[left]), load_items(kept), runs))
    assert "11 of 13 runs finished, 1 failed, 1 waiting" in page.words
    assert "2 runs of the sweep did not finish" in page.words
    assert "RuntimeError: loss is not finite at step 40" in page.words
    assert failed in page.words and waiting in page.words


def test_text_from_models_and_files_is_never_markup(tmp_path: Path) -> None:
    scores, items = smoke_sweep(model="tiny")
    runs = smoke_runs()
    groups = scores["language_group"].where(scores["language_group"] == "none", scores["language_group"] + EVIL)
    runs[0] |= {"state": "failed", "error": EVIL, "url": "javascript:alert(1)"}
    page = build(
        tmp_path,
        ReportData(load_scores(scores.assign(model=EVIL, language_group=groups)), load_items(items), runs),
        Heading(EVIL, f"clt-ray report {EVIL}", EVIL, mlflow_url="javascript:alert(2)"),
    )
    source = (tmp_path / "index.html").read_text("utf-8")
    assert "<script>alert" not in source and "<b>" not in source
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(link.startswith("javascript") for link in page.values("href"))
    assert page.words.count("alert('$x_1$')") > 5
    for file in (tmp_path / "figures").glob("*.svg"):
        ElementTree.parse(file)


def test_no_secret_of_a_uri_enters_the_report(tmp_path: Path) -> None:
    runs = smoke_runs()
    runs[0] |= {"url": "https://clt:hush1@mlflow.lab/#/experiments/1/runs/a"}
    runs[1] |= {"state": "failed", "error": "MLflow at https://clt:hush2@mlflow.lab: refused"}
    command = "clt-ray report sweeps/smoke.yaml --tracking-uri 'postgresql://clt:hush3@db.lab/mlflow?sslkey=hush4'"
    url = "https://clt:hush5@mlflow.lab/#/experiments/1?token=hush6"
    page = build(tmp_path, data(runs=runs), Heading("smoke", command, mlflow_url=url))
    assert not [file for file in tmp_path.rglob("*.*") if b"hush" in file.read_bytes()]
    assert "--tracking-uri 'postgresql://clt:***@db.lab/mlflow?sslkey=***'" in page.words
    assert "MLflow at https://clt:***@mlflow.lab: refused" in page.words
    assert "https://mlflow.lab/#/experiments/1/runs/a" in page.values("href")


def test_the_report_on_the_reference_study(tmp_path: Path) -> None:
    page = build(tmp_path, ReportData(reference_scores()), replace(HEADING, title="Reference study"))
    assert "Shimabucoro" in page.words
    assert re.search(r"Math improves by 2\d points", page.words)
    assert "no interval available" in page.words
    assert "For summarization and instruction following, neither item scores" in page.words
    assert "152 runs with scores" in page.words


def test_a_single_run_has_a_page(tmp_path: Path) -> None:
    scores, _ = smoke_sweep()
    run_scores = scores[scores["run_id"] == "tiny-math-none-0-0"]
    page = build(tmp_path, ReportData(load_scores(run_scores)))
    assert "the effect of other languages cannot be estimated yet" in page.words
    assert "English only" in page.words


def test_the_reference_study_is_drawn_behind_other_runs(tmp_path: Path) -> None:
    page = build(tmp_path, data(reference=reference_scores()))
    assert "Thin lines: the reference study" in page.words and "Shimabucoro" in page.words


def test_several_seeds_are_pooled_and_listed(tmp_path: Path) -> None:
    scores, items = smoke_sweep(seeds=(0, 1, 2), items_per_language=20)
    page = build(tmp_path, ReportData(load_scores(scores), load_items(items), smoke_runs((0, 1, 2))))
    assert "3 (0, 1, 2)" in page.words
    assert "Every run was trained with one seed" not in page.words


def test_a_report_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there are no scores to report on"):
        build(tmp_path, ReportData(pd.DataFrame(columns=list(SCORE_COLUMNS))))
    assert not (tmp_path / "index.html").exists()


def test_equal_scores_give_equal_figures_and_tables(tmp_path: Path) -> None:
    build(tmp_path / "one", data())
    build(tmp_path / "two", data())
    for first in sorted((tmp_path / "one").rglob("*.[cs]*")):
        if first.suffix in (".csv", ".svg"):
            assert first.read_bytes() == (tmp_path / "two" / first.relative_to(tmp_path / "one")).read_bytes()
