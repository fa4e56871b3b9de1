"""The reproduction files hold the cells of arXiv 2504.16677, and can be planned without data, hub or TPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from clt_ray.sweep import cells, expand, load_sweep
from clt_ray.sweep.grid import Cell
from clt_ray.sweep.spec import SweepSpec
from tests.support.plans import plan_specs

PAPER = Path(__file__).parents[2] / "sweeps" / "paper"
REPRODUCTIONS = ("single_task", "multi_task", "script_groups", "llama")
SINGLE = (0, 100, 200, 400, 800, 1000, 2000, 5000)
MIXED = (0, 100, *range(500, 7001, 500))


@cache
def spec(name: str) -> SweepSpec:
    return load_sweep(PAPER / f"{name}.yaml")


@cache
def cells_of(name: str) -> tuple[Cell, ...]:
    return cells(spec(name))


def test_every_file_is_tested() -> None:
    assert {path.stem for path in PAPER.glob("*.yaml")} == {*REPRODUCTIONS, "equal_volume"}


@pytest.mark.parametrize(
    ("name", "count", "distinct"),
    [("single_task", 48, 48), ("multi_task", 32, 32), ("script_groups", 48, 45), ("llama", 24, 24),
     ("equal_volume", 48, 48)],
)  # fmt: skip
def test_each_file_has_its_cells(name: str, count: int, distinct: int) -> None:
    assert len(cells_of(name)) == count
    assert len(expand(spec(name))) == distinct


def test_together_they_are_152_cells_and_146_runs() -> None:
    plan = plan_specs([spec(name) for name in REPRODUCTIONS], {})
    assert len(plan.cells) == 152
    assert plan.total.runs == 146
    assert plan.shared_between_sweeps == 3, "the English-only run of each task on Aya 23 8B"
    shared = {cell.cell.title: cell.shared_with for cell in plan.cells if cell.shared_with}
    assert len(shared) == 6
    for title, place in shared.items():
        model, task, *_ = title.split()
        assert place.sweep == "single-task"
        assert place.cell.title == f"{model} {task} all es+fr+ja+zh n 0 seed 0"


def test_the_english_only_runs_of_the_controls_are_those_of_the_reproductions() -> None:
    plan = plan_specs([spec(name) for name in (*REPRODUCTIONS, "equal_volume")], {})
    assert plan.total.runs == 146 + 42


@pytest.mark.parametrize("name", ["single_task", "llama"])
def test_single_task_rows_are_those_of_the_study(name: str) -> None:
    published = dict(zip(SINGLE, (10_000, 10_400, 10_800, 11_600, 13_200, 14_000, 18_000, 30_000), strict=True))
    for cell in cells_of(name):
        assert cell.run.setting == "single"
        assert cell.run.train_rows == published[cell.key.samples_per_language]


def test_mixed_rows_are_those_of_the_study() -> None:
    rows = {cell.key.samples_per_language: cell.run.train_rows for cell in cells_of("multi_task")}
    assert tuple(rows) == MIXED
    assert (rows[0], rows[5000], rows[7000]) == (15_000, 75_000, 99_000)
    assert all(count == 15_000 + 12 * samples for samples, count in rows.items())
    run = cells_of("multi_task")[1].run
    assert run.tasks == ("summarization", "instruction", "math")
    assert (run.rows_in("en"), run.rows_in("ja")) == (5_000, 100)


def test_script_groups_have_half_the_rows_and_controls_as_many() -> None:
    for cell in cells_of("script_groups"):
        assert cell.run.train_rows == 10_000 + 2 * cell.key.samples_per_language
    for cell in cells_of("equal_volume"):
        assert cell.run.rows_in("en") == cell.run.train_rows == 10_000 + 4 * cell.key.samples_per_language


@pytest.mark.parametrize("name", [*REPRODUCTIONS, "equal_volume"])
def test_the_files_have_the_settings_that_the_study_states(name: str) -> None:
    for cell in cells_of(name):
        run = cell.run
        training, hardware = run.training, run.hardware
        assert (training.batch_size, training.learning_rate, training.schedule) == (64, 1e-5, "constant")
        assert (training.warmup_steps, training.eval_every) == (0, 50)
        assert (run.selection.metric, run.selection.mode) == ("val/loss", "min")
        assert run.eval_languages == ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
        assert (hardware.accelerator, hardware.chips) == (
            ("TPU-V5LITEPOD", 256) if run.model.name == "aya-23-35b" else ("TPU-V5LITEPOD", 64)
        )
        assert run.inputs.model.startswith("hub:") and all(
            content.startswith("hub:") for content in run.inputs.data.values()
        )


def test_estimates_are_of_the_order_of_minutes_on_the_slice() -> None:
    """The largest 8B run has 30,000 rows, which take at most 1,200 s at the assumed fraction of peak FLOP/s."""
    for cell in plan_specs(spec("single_task"), {}).cells:
        assert cell.chip_hours is not None and cell.run.model.parameters is not None
        seconds = cell.chip_hours * 3600 / cell.run.hardware.chips
        at_peak = 6 * cell.run.model.parameters * cell.tokens / (cell.run.hardware.chips * 197e12)
        assert at_peak / 0.35 <= seconds * 1.0001
        assert 60 < seconds < 1_200
        assert 250 * cell.run.train_rows <= cell.tokens <= 900 * cell.run.train_rows


def test_the_documentation_page_has_the_numbers_of_the_files() -> None:
    page = (PAPER.parents[1] / "docs" / "paper.md").read_text(encoding="utf-8")
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    for name in (*REPRODUCTIONS, "equal_volume"):
        described, cost = [row for row in rows if row[0] == f"`{name}.yaml`"]
        counts = [cell.run.train_rows for cell in cells_of(name)]
        assert described[5:] == [str(len(counts)), f"{min(counts):,} to {max(counts):,}"]
        assert cost[1:] == amounts(name)
    (together,) = [row for row in rows if row[0] == "the first four together"]
    assert together[1:] == amounts(*REPRODUCTIONS)


def amounts(*names: str) -> list[str]:
    """Returns runs, millions of tokens and chip-hours of some files in the notation of the page."""
    total = plan_specs([spec(name) for name in names], {}).total
    return [str(total.runs), f"{total.tokens / 1e6:,.0f}", f"{total.chip_hours:,.0f}"]


def test_a_smaller_slice_is_two_settings_away() -> None:
    settings = ["hardware.aya-23-8b.topology=4x4", "hardware.aya-23-8b.mesh=16x1"]
    smaller = load_sweep(PAPER / "single_task.yaml", settings)
    assert smaller.hardware_of("aya-23-8b")[0].chips == 16
    assert [run.run_id for run in expand(smaller)] == [run.run_id for run in expand(spec("single_task"))]


def test_the_command_plans_all_files_without_data_or_hub(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty"), "COLUMNS": "100"}
    files = [str(PAPER / f"{name}.yaml") for name in REPRODUCTIONS]
    command = [sys.executable, "-m", "clt_ray", "plan", *files, "--storage", str(tmp_path / "store")]
    process = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, check=True)
    planned = json.loads(process.stdout)
    assert len(planned["runs"]) == 152
    assert len({run["run_id"] for run in planned["runs"]}) == planned["totals"]["runs"] == 146
    assert sum(run["shared_with"] is not None for run in planned["runs"]) == 6
    assert "csebuetnlp/xlsum" in planned["hub"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "152 cells, 146 runs: 146 to run" in shown
    assert "3 runs are shared between the sweeps" in shown
    assert "shared with single-task" in " ".join(shown.split())
    assert "loaded from the hub at the first run that needs them" in shown
    # A command to copy stays on one line, however long the paths are.
    table = [line for line in shown.splitlines() if "clt-ray run " not in line]
    assert max(map(len, table)) <= 100
    assert not (tmp_path / "empty").exists() and not (tmp_path / "store").exists()
