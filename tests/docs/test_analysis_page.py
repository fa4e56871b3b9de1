"""The page on the analysis in Python: its code runs, and every figure function is shown."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

PAGE = Path(__file__).parents[2] / "docs" / "analysis.md"


def blocks(fence: str) -> list[str]:
    """Returns the code blocks of the page that have a fence of one kind."""
    return re.findall(rf"```{fence}\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)


def test_the_code_runs_from_scores_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for index, block in enumerate(blocks("python")):
        exec(compile(block, f"{PAGE.name}, block {index}", "exec"), names)
    assert isinstance(names["figure"], Figure)
    assert (tmp_path / "report" / "index.html").is_file()
    for file in ("gain_over_runs.csv", "gain_over_runs.svg", "gain_over_runs.png"):
        assert (tmp_path / file).stat().st_size > 1000


def test_code_that_needs_finished_runs_imports_names_that_exist() -> None:
    """The fence `py` marks code that cannot run without finished runs."""
    not_executed = blocks("py")
    assert len(not_executed) == 3
    for block in not_executed:
        imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
        assert imports
        exec(compile("\n".join(map(ast.unparse, imports)), PAGE.name, "exec"), {})


def test_every_plot_function_is_shown() -> None:
    from clt_ray.analysis import plots

    text = PAGE.read_text("utf-8")
    assert [name for name in plots.__all__ if f"plots.{name}(" not in text] == []


def test_links_lead_to_files_that_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / link).exists(), link
