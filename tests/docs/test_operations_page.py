"""Every line of the faults table in docs/operations.md names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
ROWS = [line for line in PAGE.partition("\n## Faults\n")[2].splitlines() if line.startswith("| ")][1:]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_the_table_has_rows() -> None:
    assert len(ROWS) > 10 and len(set(ROWS)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_a_fault_names_its_test(row: str) -> None:
    tests = TEST.findall(row.split("|")[3])
    assert tests
    for path, name in tests:
        functions = [
            node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)
        ]
        assert name in [function.name for function in functions]
