"""The plan gives every cell an action and a reason, and counts shared runs once."""

from __future__ import annotations

import json

import pytest

from clt_ray.sweep import RunStatus, expand, parse_sweep
from clt_ray.sweep.plan import Amount, decide
from tests.support.plans import plan_specs
from tests.support.sweeps import TPU, small_sweep

GRID = small_sweep()["grid"] | {"language_group": ["all", "latin"]}


@pytest.mark.parametrize(
    ("status", "action", "reason"),
    [
        (RunStatus("missing"), "run", "not started"),
        (RunStatus("finished", 157, 157), "skip", "finished"),
        (RunStatus("interrupted", 120, 157), "resume", "interrupted at step 120 of 157"),
        (RunStatus("interrupted"), "resume", "interrupted at its start"),
        (RunStatus("running", 3, 157), "blocked", "another process is at step 3 of 157"),
        (RunStatus("failed", 9, 157, "loss is nan"), "run", "failed before: loss is nan"),
        (RunStatus("failed"), "run", "failed before: no error was recorded"),
    ],
)
def test_every_state_has_an_action_and_a_reason(status: RunStatus, action: str, reason: str) -> None:
    assert decide(status) == (action, reason)


def test_cells_that_share_a_run_repeat_its_id_and_are_planned_once() -> None:
    spec = parse_sweep(small_sweep(grid=GRID))
    plan = plan_specs(spec, {})
    entries = plan.to_json()["runs"]
    assert len(entries) == 4
    start, shared = (entry for entry in entries if entry["samples_per_language"] == 0)
    assert start["run_id"] == shared["run_id"]
    assert (start["language_group"], shared["language_group"]) == ("all", "latin")
    assert (start["action"], shared["action"]) == ("run", "skip")
    assert shared["reason"] == "shared with llama-3.1-8b math all es+fr+ja+zh n 0 seed 0"
    assert start["shared_with"] is None
    assert shared["shared_with"] == {
        "sweep": "small", "language_group": "all", "cell": "llama-3.1-8b math all es+fr+ja+zh n 0 seed 0",
    }  # fmt: skip
    assert plan.run_ids() == tuple(run.run_id for run in expand(spec))
    assert plan.to_json()["totals"]["cells"] == 4
    assert plan.to_json()["totals"]["runs"] == 3


def test_remaining_work_follows_from_the_states_of_runs() -> None:
    spec = parse_sweep(small_sweep(grid=GRID))
    first, second, third = expand(spec)
    states = {first.run_id: RunStatus("finished", 157, 157), second.run_id: RunStatus("interrupted", 5, 163)}
    plan = plan_specs(spec, states)
    assert plan.actions == {"run": 1, "resume": 1, "skip": 1, "blocked": 0}
    assert plan.run_ids("run", "resume") == (second.run_id, third.run_id)
    assert plan.remaining.steps == second.steps + third.steps
    assert plan.total.steps == first.steps + second.steps + third.steps
    all_finished = {run.run_id: RunStatus("finished") for run in (first, second, third)}
    assert plan_specs(spec, all_finished).remaining == Amount(0, 0, 0, 0, None)


def test_json_has_every_documented_field_and_round_trips() -> None:
    plan = plan_specs(parse_sweep(small_sweep(hardware=TPU)), {}).to_json()
    assert json.loads(json.dumps(plan)) == plan
    entry = plan["runs"][1]
    assert set(entry) == {
        "sweep", "run_id", "name", "model", "task", "setting", "language_group", "train_languages",
        "samples_per_language", "seed", "action", "reason", "shared_with", "train_rows", "steps", "tokens",
        "chip_hours",
    }  # fmt: skip
    assert entry["train_languages"] == ["es", "fr", "ja", "zh"]
    assert entry["train_rows"] == 10_400
    assert entry["steps"] == 163
    assert plan["totals"]["chip_hours"] == pytest.approx(sum(run["chip_hours"] for run in plan["runs"]))


def test_several_sweeps_are_planned_as_one_after_the_other() -> None:
    first = parse_sweep(small_sweep(name="first"))
    second = parse_sweep(small_sweep(name="second", grid=GRID))
    plan = plan_specs([first, second], {})
    assert plan.sweep == "first, second"
    assert [cell.sweep for cell in plan.cells] == ["first"] * 2 + ["second"] * 4
    shared = [cell.reason for cell in plan.cells if cell.shared]
    assert shared == [
        "shared with llama-3.1-8b math all es+fr+ja+zh n 0 seed 0 of first",
        "shared with llama-3.1-8b math all es+fr+ja+zh n 100 seed 0 of first",
        "shared with llama-3.1-8b math all es+fr+ja+zh n 0 seed 0 of first",
    ]
    totals = plan.to_json()["totals"]
    assert (totals["cells"], totals["runs"], totals["shared_between_sweeps"]) == (6, 3, 2)
    assert plan.total.steps == plan_specs(second, {}).total.steps


def test_the_plan_names_the_hub_content_that_runs_need() -> None:
    spec = parse_sweep(small_sweep(data={"math": {"bundled": True}}))
    assert plan_specs(spec, {}).hub == ("meta-llama/Llama-3.1-8B",)
    assert plan_specs(parse_sweep(small_sweep()), {}).to_json()["hub"] == [
        "laihuiyuan/mCoT-MATH", "meta-llama/Llama-3.1-8B",
    ]  # fmt: skip
    finished = {run.run_id: RunStatus("finished") for run in expand(spec)}
    assert plan_specs(spec, finished).hub == ()


def test_chip_hours_are_unknown_without_an_accelerator() -> None:
    plan = plan_specs(parse_sweep(small_sweep()), {})
    assert {cell.chip_hours for cell in plan.cells} == {None}
    assert plan.total.chip_hours is None


def test_ten_thousand_runs_are_planned() -> None:
    grid = small_sweep()["grid"] | {"samples_per_language": list(range(100))}
    plan = plan_specs(parse_sweep(small_sweep(grid=grid, seeds=list(range(100)), hardware=TPU)), {})
    assert plan.total.runs == 10_000
    assert len(json.loads(json.dumps(plan.to_json()))["runs"]) == 10_000
