"""What running a sweep would do, cell by cell, and why. Executes and writes nothing.

    finished                       -> skip      "finished"
    started, owner gone            -> resume    "interrupted at step 120 of 469"
    started, owner alive           -> blocked   "another process is at step 120 of 469"
    failed                         -> run       "failed before: <its error>"
    nothing there                  -> run       "not started"
    the run of an earlier cell     -> skip      "shared with <its name>"

Running the plan again after any of it has happened is how a sweep resumes. Several sweeps are planned together as
if they were to run one after the other: what an earlier one executes, a later one shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from clt_ray.sweep import cost
from clt_ray.sweep.grid import Cell, cells
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import SweepSpec

Kind = Literal["missing", "interrupted", "running", "failed", "finished"]
Action = Literal["run", "resume", "skip", "blocked"]
ACTIONS: tuple[Action, ...] = ("run", "resume", "skip", "blocked")
NOT_STARTED = "not started"


@dataclass(frozen=True)
class RunStatus:
    """What the store knows of a run."""

    kind: Kind
    """`interrupted`: started, neither finished nor failed, and nobody holds it any more."""
    step: int = 0
    """Last optimizer step it recorded."""
    total_steps: int | None = None
    """Optimizer steps it set out to take; None before it started."""
    error: str | None = None
    """Error line of a failed run."""


MISSING = RunStatus("missing")


@dataclass(frozen=True)
class Place:
    """A cell, and the sweep that has it."""

    sweep: str
    cell: Cell

    def to_json(self) -> dict[str, str]:
        """The place as plain JSON values."""
        return {"sweep": self.sweep, "language_group": self.cell.key.language_group, "cell": self.cell.title}


@dataclass(frozen=True)
class PlannedCell:
    """One cell and what will be done for it."""

    sweep: str
    """Name of its sweep."""
    cell: Cell
    action: Action
    reason: str
    """Why this action, as a clause."""
    shared_with: Place | None
    """The cell earlier in the plan that stands for the same run; None for the one that does."""
    tokens: int
    """Estimated training tokens of the run."""
    chip_hours: float | None
    """Estimated chip-hours of the run's training; None on CPU and where the chip or the model's size is unknown."""

    @property
    def run(self) -> RunSpec:
        return self.cell.run

    @property
    def shared(self) -> bool:
        """Whether another cell earlier in the plan stands for the same run."""
        return self.shared_with is not None

    def to_json(self) -> dict[str, Any]:
        """The cell as plain JSON values."""
        run, key = self.cell.run, self.cell.key
        return {
            "sweep": self.sweep,
            "run_id": run.run_id,
            "name": run.name,
            "model": key.model,
            "task": run.task,
            "setting": run.setting,
            "language_group": key.language_group,
            "train_languages": list(run.train_languages),
            "samples_per_language": key.samples_per_language,
            "seed": key.seed,
            "action": self.action,
            "reason": self.reason,
            "shared_with": self.shared_with.to_json() if self.shared_with else None,
            "train_rows": run.train_rows,
            "steps": run.steps,
            "tokens": self.tokens,
            "chip_hours": self.chip_hours,
        }


@dataclass(frozen=True)
class Amount:
    """Work of some runs, each counted once."""

    runs: int
    train_rows: int
    """Rows of one epoch of each run, summed."""
    steps: int
    """Optimizer steps."""
    tokens: int
    """Estimated training tokens."""
    chip_hours: float | None
    """Estimated chip-hours; None when no run has an estimate."""

    @classmethod
    def of(cls, planned: Iterable[PlannedCell]) -> Amount:
        own = [cell for cell in planned if not cell.shared]
        hours = [cell.chip_hours for cell in own if cell.chip_hours is not None]
        return cls(
            runs=len(own),
            train_rows=sum(cell.run.train_rows for cell in own),
            steps=sum(cell.run.steps for cell in own),
            tokens=sum(cell.tokens for cell in own),
            chip_hours=sum(hours) if hours else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The amounts as plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Plan:
    """Every cell of a sweep, or of several, with its action."""

    sweep: str
    """Name of the sweep; those of several joined by `, `."""
    cells: tuple[PlannedCell, ...]
    """Sweep by sweep, in the order of the grid."""

    @cached_property
    def total(self) -> Amount:
        """The whole sweep."""
        return Amount.of(self.cells)

    @cached_property
    def remaining(self) -> Amount:
        """What the sweep's runs still need, counting a run to resume from its start."""
        return Amount.of(cell for cell in self.cells if cell.action in ("run", "resume"))

    @cached_property
    def actions(self) -> Mapping[Action, int]:
        """Distinct runs per action."""
        counted = Counter(cell.action for cell in self.cells if not cell.shared)
        return {action: counted[action] for action in ACTIONS}

    @cached_property
    def shared_between_sweeps(self) -> int:
        """Distinct runs that more than one sweep has a cell of."""
        places = {(cell.run.run_id, cell.sweep) for cell in self.cells}
        return sum(count > 1 for count in Counter(run_id for run_id, _ in places).values())

    @cached_property
    def hub(self) -> tuple[str, ...]:
        """Hub names of the data sets and the weights that runs still to be executed read, sorted."""
        runs = [cell.run for cell in self.cells if cell.action in ("run", "resume")]
        sources = {id(source): source for run in runs for source in run.data.values()}
        models = {run.model.source for run in runs if run.inputs.model.startswith("hub:")}
        return tuple(sorted(models | {source.dataset for source in sources.values() if source.dataset}))

    def run_ids(self, *actions: Action) -> tuple[str, ...]:
        """Distinct runs with one of these actions, in the order of the grid; all runs when none is given."""
        wanted = actions or ACTIONS
        return tuple(cell.run.run_id for cell in self.cells if not cell.shared and cell.action in wanted)

    def to_json(self) -> dict[str, Any]:
        """`{"sweep", "runs": [one object per cell], "totals": {...}, "hub": [...]}`, as plain JSON values."""
        return {
            "sweep": self.sweep,
            "runs": [cell.to_json() for cell in self.cells],
            "totals": {
                "cells": len(self.cells),
                **self.total.to_json(),
                "shared_between_sweeps": self.shared_between_sweeps,
                "actions": dict(self.actions),
                "remaining": self.remaining.to_json(),
            },
            "hub": list(self.hub),
        }


def make_plan(spec: SweepSpec | Sequence[SweepSpec], states: Mapping[str, RunStatus]) -> Plan:
    """Decide what to do for every cell of a sweep, or of several.

    Args:
        spec: The sweeps, in the order in which they would run.
        states: What the store knows, by run_id; a run that is not among them is missing.

    Raises:
        DataError: A local data root or model directory cannot be read.
    """
    specs = (spec,) if isinstance(spec, SweepSpec) else tuple(spec)
    first: dict[str, Place] = {}
    planned = []
    action: Action
    for sweep, cell in ((one.name, cell) for one in specs for cell in cells(one)):
        run = cell.run
        shared_with = first.get(run.run_id)
        if shared_with is None:
            action, reason = decide(states.get(run.run_id, MISSING))
            first[run.run_id] = Place(sweep, cell)
        else:
            elsewhere = "" if shared_with.sweep == sweep else f" of {shared_with.sweep}"
            action, reason = "skip", f"shared with {shared_with.cell.title}{elsewhere}"
        tokens = cost.training_tokens(run)
        planned.append(PlannedCell(sweep, cell, action, reason, shared_with, tokens, cost.chip_hours(run, tokens)))
    return Plan(", ".join(one.name for one in specs), tuple(planned))


def decide(state: RunStatus) -> tuple[Action, str]:
    """The action for a run in this state, and why."""
    place = f"step {state.step} of {state.total_steps}" if state.total_steps else "its start"
    match state.kind:
        case "finished":
            return "skip", "finished"
        case "interrupted":
            return "resume", f"interrupted at {place}"
        case "running":
            return "blocked", f"another process is at {place}"
        case "failed":
            return "run", f"failed before: {state.error or 'no error was recorded'}"
        case "missing":
            return "run", NOT_STARTED
