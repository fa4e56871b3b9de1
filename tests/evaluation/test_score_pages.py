"""The examples of the pages about scores are true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clt_ray.evaluation.scorers.rouge import score as rouge
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep

DOCS = Path(__file__).parents[2] / "docs"


def fenced(page: str, kind: str) -> list[str]:
    """Returns the code blocks of one kind on a page."""
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_sweep_over_real_rows_plans(tmp_path: Path, shared_data: Path) -> None:
    path = tmp_path / "real_rows.yaml"
    path.write_text(fenced("scores.md", "yaml")[0].replace("ROWS", str(shared_data)), encoding="utf-8")
    runs = expand(load_sweep(str(path)))
    assert [run.samples_per_language for run in runs] == [0, 400]


def test_the_examples_of_math_are_true() -> None:
    block = next(code for code in fenced("tasks/math.md", "python") if "final_number" in code)
    assert examples(block) == ["Decimal('1250.50')", "{'accuracy': 1.0}"]


def test_the_example_of_summarization_is_true() -> None:
    block = next(code for code in fenced("tasks/summarization.md", "python") if "score(" in code)
    shown = re.findall(r'"(rouge\w)": ([\d.]+)', block)
    texts = re.findall(r'"([^"]*。)"', block)
    assert rouge(texts[0], texts[1], "ja") == pytest.approx({name: float(value) for name, value in shown}, abs=5e-4)


def examples(block: str) -> list[str]:
    """Returns the values of the lines that show one, and checks that each line shows its value."""
    names: dict[str, Any] = {}
    values = []
    for line in block.splitlines():
        expression, _, shown = line.partition("#")
        if not shown:
            exec(expression, names)
            continue
        value = repr(eval(expression, names))
        assert value.replace("'", '"') == shown.strip().replace("'", '"')
        values.append(value)
    return values
