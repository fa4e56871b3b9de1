"""The start of the Python reference runs, and what it shows without running it exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import clt_ray

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CLT_RAY_STORAGE", str(tmp_path))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(program, "docs/reference/index.md", "exec"), {})
    assert "steps" in capsys.readouterr().out


def test_names_of_the_package_exist() -> None:
    assert [name for name in re.findall(r"clt_ray\.(\w+)\(", PAGE) if not hasattr(clt_ray, name)] == []


def test_every_exported_name_is_in_the_reference() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    assert [
        name for name in clt_ray.__all__ if not re.search(rf"^::: clt_ray\.\S*\.{name}$", pages, re.MULTILINE)
    ] == []
