"""Cells are the product plus `include` minus `exclude`; runs are the distinct ones among them."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.sweep import SweepSpec, cells, expand, load_sweep, parse_sweep
from clt_ray.sweep.grid import CellKey, cell_keys
from clt_ray.sweep.spec import Axes
from tests.support.sweeps import small_sweep

GOLDEN = Path(__file__).parent / "golden"

MODELS = ("aya-23-35b", "llama-3.1-8b", "aya-23-8b")
TASKS = ("math", "summarization", "math+summarization")
GROUPS = ("all", "latin", "non_latin")
COUNTS = (0, 100, 200, 400)
SEEDS = (0, 1, 2)


def subset(values: tuple[Any, ...]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


PATTERNS = st.fixed_dictionaries(
    {},
    optional={
        "model": subset(MODELS),
        "task": subset(TASKS),
        "language_group": subset(GROUPS),
        "samples_per_language": subset(COUNTS),
        "seed": subset(SEEDS),
    },
)
AXES = st.builds(
    lambda models, tasks, groups, counts, seeds, include, exclude: {
        "grid": {
            "model": models,
            "task": tasks,
            "language_group": groups,
            "samples_per_language": sorted(counts),
        },
        "seeds": seeds,
        "include": include,
        "exclude": exclude,
    },
    subset(MODELS),
    subset(TASKS),
    subset(GROUPS),
    subset(COUNTS),
    subset(SEEDS),
    st.lists(PATTERNS, max_size=2),
    st.lists(PATTERNS, max_size=2),
)

ORDER = ("model", "task", "language_group", "samples_per_language", "seed")


def naive(axes: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Enumerates product + include - exclude without any of the tested code."""
    grid = axes["grid"] | {"seed": axes["seeds"]}
    result: list[tuple[Any, ...]] = []
    for pattern in [{}, *axes["include"]]:
        for cell in product(*(pattern.get(axis, grid[axis]) for axis in ORDER)):
            if cell not in result:
                result.append(cell)
    return [
        cell
        for cell in result
        if not any(
            all(value in pattern.get(axis, [value]) for axis, value in zip(ORDER, cell, strict=True))
            for pattern in axes["exclude"]
        )
    ]


@given(AXES)
def test_cells_are_the_product_plus_include_minus_exclude(axes: dict[str, Any]) -> None:
    keys = cell_keys(Axes.model_validate(axes))
    as_written = {"math": ("math",), "summarization": ("summarization",)}
    both = ("summarization", "math")
    assert [tuple(key) for key in keys] == [
        (model, as_written.get(task, both), *rest) for model, task, *rest in naive(axes)
    ]


@given(AXES)
@settings(max_examples=30, deadline=None)
def test_runs_are_the_distinct_ones_of_the_cells(axes: dict[str, Any]) -> None:
    spec = SweepSpec.model_validate(small_sweep(**axes))
    all_cells, runs = cells(spec), expand(spec)
    assert [cell.key for cell in all_cells] == list(cell_keys(spec))
    assert [run.run_id for run in runs] == list(dict.fromkeys(cell.run.run_id for cell in all_cells))
    # Cells that differ only in their group are one run at n = 0, and different runs otherwise.
    places = {
        cell.key if cell.key.samples_per_language else cell.key._replace(language_group="none") for cell in all_cells
    }
    assert len(runs) == len(places)


def test_the_last_axis_varies_fastest_and_included_cells_come_last() -> None:
    axes = {
        "grid": {"model": "tiny", "task": ["math", "summarization"], "samples_per_language": [0, 100]},
        "seeds": [0, 1],
        "include": [{"task": "instruction", "samples_per_language": 7, "seed": 5}],
        "exclude": [{"task": "summarization", "seed": 1}],
    }
    assert cell_keys(Axes.model_validate(axes)) == (
        CellKey("tiny", ("math",), "all", 0, 0),
        CellKey("tiny", ("math",), "all", 0, 1),
        CellKey("tiny", ("math",), "all", 100, 0),
        CellKey("tiny", ("math",), "all", 100, 1),
        CellKey("tiny", ("summarization",), "all", 0, 0),
        CellKey("tiny", ("summarization",), "all", 100, 0),
        CellKey("tiny", ("instruction",), "all", 7, 5),
    )


def test_english_only_is_a_cell_of_each_group_and_one_run() -> None:
    grid = small_sweep()["grid"] | {"language_group": ["all", "latin", "non_latin"]}
    spec = parse_sweep(small_sweep(grid=grid))
    all_cells = cells(spec)
    assert len(all_cells) == 6
    assert len(expand(spec)) == 4
    starts = [cell for cell in all_cells if cell.key.samples_per_language == 0]
    assert [cell.series for cell in starts] == [
        "llama-3.1-8b math all es+fr+ja+zh seed 0",
        "llama-3.1-8b math latin es+fr seed 0",
        "llama-3.1-8b math non_latin ja+zh seed 0",
    ]
    assert {cell.run.name for cell in starts} == {"llama-3.1-8b math none n 0 seed 0"}
    ends = [cell for cell in all_cells if cell.key.samples_per_language]
    assert [cell.series for cell in ends] == [cell.series for cell in starts]
    assert [cell.title for cell in ends] == [cell.run.name for cell in ends]


def test_rows_and_steps_of_a_run() -> None:
    training = {"batch_size": 64, "epochs": 2}
    grid = {"model": "aya-23-8b", "task": "instruction+math", "samples_per_language": [400]}
    (run,) = expand(parse_sweep(small_sweep(grid=grid, training=training)))
    assert run.train_rows == 2 * (10_000 + 4 * 400)
    assert run.steps == 2 * 363
    assert run.setting == "multi"
    assert run.name == "aya-23-8b instruction+math all es+fr+ja+zh n 400 seed 0"
    (cut,) = expand(parse_sweep(small_sweep(grid=grid, training=training | {"max_steps": 10})))
    assert cut.steps == 10


def test_the_grid_of_the_reference_study_has_its_published_size() -> None:
    """Single-task, multi-task and script sweeps of arXiv 2504.16677: 152 cells, of which 6 repeat a run."""
    tasks = ["summarization", "instruction", "math"]
    counts = [0, 100, 200, 400, 800, 1000, 2000, 5000]
    aya = ["aya-23-8b", "aya-23-35b"]
    single = small_sweep(grid={"model": [*aya, "llama-3.1-8b"], "task": tasks, "samples_per_language": counts})
    mixed = small_sweep(
        grid={
            "model": aya,
            "task": "summarization+instruction+math",
            "samples_per_language": [0, 100, *range(500, 7001, 500)],
        },
        english_samples=5000,
    )
    scripts = small_sweep(
        grid={
            "model": "aya-23-8b",
            "task": tasks,
            "language_group": ["latin", "non_latin"],
            "samples_per_language": counts,
        }
    )
    specs = [parse_sweep(content) for content in (single, mixed, scripts)]
    assert sum(len(cells(spec)) for spec in specs) == 72 + 32 + 48
    assert len({run.run_id for spec in specs for run in expand(spec)}) == 146


@pytest.mark.parametrize("name", ["small"])
def test_the_expansion_of_an_example_equals_the_recorded_one(name: str) -> None:
    spec = load_sweep(GOLDEN / f"{name}.yaml")
    recorded = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    expanded = [
        {
            "series": cell.series,
            "name": cell.run.name,
            "train_rows": cell.run.train_rows,
            "steps": cell.run.steps,
            "selection_languages": list(cell.run.selection_languages),
            "max_new_tokens": dict(cell.run.evaluation.max_new_tokens),
            "accelerator": cell.run.hardware.accelerator,
            "inputs": {"model": cell.run.inputs.model, "data": dict(cell.run.inputs.data)},
        }
        for cell in cells(spec)
    ]
    assert expanded == recorded
