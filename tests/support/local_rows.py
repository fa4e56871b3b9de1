"""Local roots and runs on them, for the data tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clt_ray.data.rows import Row, parse, templated
from clt_ray.sweep.run import Inputs, RunSpec
from clt_ray.sweep.sections import (
    DataSource,
    EvaluationSpec,
    HardwareSpec,
    ModelSpec,
    SelectionSpec,
    TrainingSpec,
    ValidationSpec,
)


def to_row(raw: Mapping[str, Any], task: str, language: str, **arguments: Any) -> Row:
    """The row of raw columns; the further arguments are those of `parse`."""
    return templated(parse(raw, task, language, **arguments), task, language)


def problems(language: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Math rows, one for each number."""
    return [{"question": f"{language}: {n} + 1?", "answer": f"The answer is {n + 1}."} for n in numbers]


def write_split(root: Path, task: str, split: str, language: str, rows: Sequence[Mapping[str, Any]]) -> None:
    path = root / task / split / f"{language}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def math_root(root: Path, languages: Sequence[str] = ("en", "es", "ja", "ko"), rows: int = 60) -> Path:
    """Training rows in all languages but Korean, test rows in all, no validation split."""
    for language in languages:
        if language != "ko":
            write_split(root, "math", "train", language, problems(language, range(rows)))
        write_split(root, "math", "test", language, problems(language, range(1000, 1020)))
    return root


def run_on(source: DataSource, **changes: Any) -> RunSpec:
    """A small math run on a source."""
    tasks = changes.get("tasks", ("math",))
    values: dict[str, Any] = {
        "model": ModelSpec(name="tiny", source="bundled"),
        "tasks": tasks,
        "language_group": "all",
        "train_languages": ("es", "ja"),
        "samples_per_language": 8,
        "english_samples": 20,
        "seed": 0,
        "eval_languages": ("en", "es", "ja", "ko"),
        "data": dict.fromkeys(tasks, source),
        "training": TrainingSpec(batch_size=4),
        "validation": ValidationSpec(samples_per_language=5),
        "selection": SelectionSpec(),
        "evaluation": EvaluationSpec(samples_per_language=10),
        "hardware": HardwareSpec(),
        "inputs": Inputs(model="test", data=dict.fromkeys(tasks, "test"), templates="test"),
    }
    return RunSpec(**{**values, **changes})
