"""The notebook on the Python API runs, and its committed output is what running it gives."""

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


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> set[str]:
    """What a cell shows: streams by name, results by type."""
    return {kind for output in cell.outputs for kind in (output.get("data") or {output.get("name"): None})}


def text(cell: Any) -> str:
    return "".join(output.get("text", "") or output["data"].get("text/plain", "") for output in cell.outputs)


def test_it_runs_and_shows_what_the_committed_one_shows(committed: Any, executed: Any) -> None:
    for old, new in zip(code(committed), code(executed), strict=True):
        assert old.execution_count == new.execution_count, old.source
        assert kinds(old) == kinds(new), old.source
        assert "stderr" not in kinds(new), text(new)
    assert sum("image/png" in kinds(cell) for cell in code(committed)) >= 6


def test_the_findings_in_it_are_not_stale(committed: Any, executed: Any) -> None:
    pairs = [
        (old, new)
        for old, new in zip(code(committed), code(executed), strict=True)
        if KEY in old.metadata.get("tags", [])
    ]
    assert len(pairs) == 1
    for old, new in pairs:
        assert text(old).split() == text(new).split(), "run docs/notebook.ipynb again and commit it"


def test_it_is_small_and_tells_nothing_of_the_machine_it_was_made_on(committed: Any) -> None:
    nbformat.validate(committed)
    raw = NOTEBOOK.read_text("utf-8")
    assert len(raw) < 600_000
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert set(committed.metadata.kernelspec) == {"name", "display_name", "language"}
    shown = "\n".join(text(cell) + cell.source for cell in code(committed))
    assert not re.search(r"(?:/(?:home|root|tmp|work|Users|usr|opt|var)/|[A-Z]:\\\\)", shown + str(committed.metadata))


def test_links_lead_somewhere(committed: Any) -> None:
    found = re.findall(
        r"\]\((?!https?://)([^)#]+)", "".join(c.source for c in committed.cells if c not in code(committed))
    )
    assert found and all((NOTEBOOK.parent / link).exists() for link in found)
