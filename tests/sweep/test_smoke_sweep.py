"""The smoke sweep covers the tasks, language groups and sizes that the demo shows."""

from __future__ import annotations

from pathlib import Path

from clt_ray.sweep import cells, expand, load_sweep

SMOKE = Path(__file__).parents[2] / "sweeps" / "smoke.yaml"


def test_the_smoke_sweep_covers_tasks_mixture_groups_and_sizes() -> None:
    spec = load_sweep(SMOKE)
    runs = expand(spec)
    assert len(runs) >= 12
    assert {run.task for run in runs} >= {"summarization", "instruction", "math"}
    assert {run.setting for run in runs} == {"single", "multi"}
    assert len({cell.key.language_group for cell in cells(spec)}) >= 2
    assert len({run.samples_per_language for run in runs}) >= 3
    assert {run.model.name for run in runs} == {"tiny"}
    assert all(source.bundled for run in runs for source in run.data.values())
