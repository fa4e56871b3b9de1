"""The page on the Python API: what it shows runs, and what it says of every measure has a figure."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

PAGE = Path(__file__).parents[2] / "docs" / "analysis.md"


def blocks(fence: str) -> list[str]:
    return re.findall(rf"```{fence}\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)


def test_the_page_runs_from_scores_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {}
    for place, block in enumerate(blocks("python")):
        exec(compile(block, f"{PAGE.name}, block {place}", "exec"), made)
    assert isinstance(made["figure"], Figure)
    assert (tmp_path / "report" / "index.html").is_file()
    for name in ("gain_over_runs.csv", "gain_over_runs.svg", "gain_over_runs.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_blocks_that_need_own_runs_import_what_exists() -> None:
    """`py` marks what a machine without runs cannot execute; the names in it must be there."""
    found = blocks("py")
    assert len(found) == 3
    for block in found:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                assert all(hasattr(importlib.import_module(node.module or ""), name.name) for name in node.names)


def test_every_plot_function_is_shown() -> None:
    from clt_ray.analysis import plots

    text = PAGE.read_text("utf-8")
    assert [name for name in plots.__all__ if f"plots.{name}(" not in text] == []


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / link).exists(), link
