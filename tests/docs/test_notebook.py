"""The notebook on the analysis runs, and its committed output is what a new execution gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
KEY = "key-table"
"""Tag of the cells whose text must not be stale."""


@pytest.fixture(scope="module")
def committed() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = str(tmp_path_factory.mktemp("notebook"))
    NotebookClient(notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": folder}}).execute()
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> set[str]:
    """Returns the kinds of output of a cell: the names of streams and the types of results."""
    return {kind for output in cell.outputs for kind in (output.get("data") or {output.get("name"): None})}


def text(cell: Any) -> str:
    """Returns what a cell prints and the text form of its result."""
    return "".join(output.get("text", "") or output["data"].get("text/plain", "") for output in cell.outputs)


def test_it_runs_and_gives_the_committed_kinds_of_output(committed: Any, executed: Any) -> None:
    for old, new in zip(code_cells(committed), code_cells(executed), strict=True):
        assert old.execution_count == new.execution_count, old.source
        assert kinds(old) == kinds(new), old.source
        assert "stderr" not in kinds(new), text(new)
    assert sum("image/png" in kinds(cell) for cell in code_cells(committed)) >= 6


def test_the_committed_findings_are_not_stale(committed: Any, executed: Any) -> None:
    pairs = [
        (old, new)
        for old, new in zip(code_cells(committed), code_cells(executed), strict=True)
        if KEY in old.metadata.get("tags", [])
    ]
    assert len(pairs) == 1
    for old, new in pairs:
        assert text(old).split() == text(new).split(), "stale: execute docs/notebook.ipynb and commit it"


def test_it_is_small_and_does_not_reveal_the_machine_on_which_it_ran(committed: Any) -> None:
    nbformat.validate(committed)
    raw = NOTEBOOK.read_text("utf-8")
    assert len(raw) < 600_000
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert set(committed.metadata.kernelspec) == {"name", "display_name", "language"}
    shown = "\n".join(text(cell) + cell.source for cell in code_cells(committed))
    assert not re.search(r"(?:/(?:home|root|tmp|work|Users|usr|opt|var)/|[A-Z]:\\\\)", shown + str(committed.metadata))


def test_links_lead_to_files_that_exist(committed: Any) -> None:
    prose = "".join(cell.source for cell in committed.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\((?!https?://)([^)#]+)", prose)
    assert links and all((NOTEBOOK.parent / link).exists() for link in links)
