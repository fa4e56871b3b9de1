"""Plans a sweep: which action each cell needs, and why. Planning executes and writes nothing.

`decide` has the action for each state of a run; a cell with the same run as an earlier cell is skipped. A sweep is
resumed by planning it again. Several sweeps are planned together as if they ran one after the other: a run of an
earlier sweep is shared by the later ones.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Self

from clt_ray.sweep import cost
from clt_ray.sweep.grid import Cell
from clt_ray.sweep.run import RunSpec

Kind = Literal["missing", "interrupted", "running", "failed", "finished"]
Action = Literal["run", "resume", "skip", "blocked"]
ACTIONS: tuple[Action, ...] = ("run", "resume", "skip", "blocked")
NOT_STARTED = "not started"


@dataclass(frozen=True)
class RunStatus:
    """State of a run in the store."""

    kind: Kind
    """`missing`: not in the store; `interrupted`: started, not finished or failed, and no process holds its lease."""
    step: int = 0
    """Last optimizer step that the run recorded."""
    total_steps: int | None = None
    """Optimizer steps of the whole run; None before it started."""
    error: str | None = None
    """Error message of a failed run, why an interrupted one was stopped, or what a run waits for, in one line; None
    where nobody knows."""
    waits: bool = False
    """Whether a sweep that executes the run waits for a place on the cluster; `error` says for what."""


MISSING = RunStatus("missing")


@dataclass(frozen=True)
class PlannedCell:
    """One cell and the action that it needs."""

    sweep: str
    cell: Cell
    action: Action
    reason: str
    """Why this action, as a clause."""
    shared_with: Self | None
    """The first cell in the plan with the same run; None when this cell is the first."""
    tokens: int
    """Estimated training tokens."""
    chip_hours: float | None
    """Estimated chip-hours of training; None on CPU, and where the chip's peak or the model's size is unknown."""

    @property
    def run(self) -> RunSpec:
        return self.cell.run

    @property
    def shared(self) -> bool:
        """Whether an earlier cell of the plan has the same run."""
        return self.shared_with is not None

    def to_json(self) -> dict[str, Any]:
        """Returns the cell as plain JSON values."""
        run, key, first = self.cell.run, self.cell.key, self.shared_with
        group = first and first.cell.key.language_group
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
            "shared_with": first and {"sweep": first.sweep, "language_group": group, "cell": first.cell.title},
            "train_rows": run.train_rows,
            "steps": run.steps,
            "tokens": self.tokens,
            "chip_hours": self.chip_hours,
        }


@dataclass(frozen=True)
class Amount:
    """Total work of some runs, each counted once."""

    runs: int
    train_rows: int
    """Training rows of one epoch, summed over runs."""
    steps: int
    """Optimizer steps, summed over runs."""
    tokens: int
    """Estimated training tokens."""
    chip_hours: float | None
    """Estimated chip-hours; None when no run has an estimate."""

    @classmethod
    def of(cls, planned: Iterable[PlannedCell]) -> Self:
        """Sums the work of planned cells, leaving out those that share the run of an earlier cell."""
        first_cells = [cell for cell in planned if not cell.shared]
        hours = [cell.chip_hours for cell in first_cells if cell.chip_hours is not None]
        return cls(
            runs=len(first_cells),
            train_rows=sum(cell.run.train_rows for cell in first_cells),
            steps=sum(cell.run.steps for cell in first_cells),
            tokens=sum(cell.tokens for cell in first_cells),
            chip_hours=sum(hours) if hours else None,
        )


@dataclass(frozen=True)
class Plan:
    """Every cell of one or several sweeps with its action."""

    sweep: str
    """Name of the sweep; the names of several are joined by `, `."""
    cells: tuple[PlannedCell, ...]
    """The cells of each sweep in the order of its grid."""

    @cached_property
    def total(self) -> Amount:
        return Amount.of(self.cells)

    @cached_property
    def remaining(self) -> Amount:
        """Work of the runs that are not finished; a run to resume counts in full."""
        return Amount.of(cell for cell in self.cells if cell.action in ("run", "resume"))

    @cached_property
    def actions(self) -> Mapping[Action, int]:
        """Number of distinct runs per action."""
        counted = Counter(cell.action for cell in self.cells if not cell.shared)
        return {action: counted[action] for action in ACTIONS}

    @cached_property
    def shared_between_sweeps(self) -> int:
        """Number of distinct runs that are in more than one sweep."""
        places = {(cell.run.run_id, cell.sweep) for cell in self.cells}
        return sum(count > 1 for count in Counter(run_id for run_id, _ in places).values())

    @cached_property
    def hub(self) -> tuple[str, ...]:
        """Hub names of the data sets and the models that the unfinished runs read, sorted."""
        runs = [cell.run for cell in self.cells if cell.action in ("run", "resume")]
        sources = {id(source): source for run in runs for source in run.data.values()}
        models = {run.model.source for run in runs if run.inputs.model.startswith("hub:")}
        return tuple(sorted(models | {source.dataset for source in sources.values() if source.dataset}))

    def run_ids(self, *actions: Action) -> tuple[str, ...]:
        """Returns the ids of the distinct runs with one of these actions, or of all runs, in the order of the grid."""
        wanted = actions or ACTIONS
        return tuple(cell.run.run_id for cell in self.cells if not cell.shared and cell.action in wanted)

    def to_json(self) -> dict[str, Any]:
        """Returns `{"sweep", "runs": [one object per cell], "totals": {...}, "hub": [...]}` as plain JSON values."""
        return {
            "sweep": self.sweep,
            "runs": [cell.to_json() for cell in self.cells],
            "totals": {
                "cells": len(self.cells),
                **asdict(self.total),
                "shared_between_sweeps": self.shared_between_sweeps,
                "actions": dict(self.actions),
                "remaining": asdict(self.remaining),
            },
            "hub": list(self.hub),
        }


def make_plan(sweeps: Sequence[tuple[str, Sequence[Cell]]], states: Mapping[str, RunStatus]) -> Plan:
    """Decides what to do for every cell of some sweeps, in order of execution; `states` are by run id."""
    first: dict[str, PlannedCell] = {}
    planned = []
    for sweep, cell in ((name, cell) for name, sweep_cells in sweeps for cell in sweep_cells):
        run = cell.run
        shared_with = first.get(run.run_id)
        if shared_with is None:
            action, reason = decide(states.get(run.run_id, MISSING))
        else:
            elsewhere = "" if shared_with.sweep == sweep else f" of {shared_with.sweep}"
            action, reason = "skip", f"shared with {shared_with.cell.title}{elsewhere}"
        tokens = cost.training_tokens(run)
        planned.append(PlannedCell(sweep, cell, action, reason, shared_with, tokens, cost.chip_hours(run, tokens)))
        first.setdefault(run.run_id, planned[-1])
    return Plan(", ".join(name for name, _ in sweeps), tuple(planned))


def decide(state: RunStatus) -> tuple[Action, str]:
    """Returns the action for a run in this state, and the reason for it."""
    place = f"step {state.step} of {state.total_steps}" if state.total_steps else "its start"
    decisions: dict[Kind, tuple[Action, str]] = {
        "finished": ("skip", "finished"),
        "interrupted": ("resume", ": ".join(filter(None, (f"interrupted at {place}", state.error)))),
        "running": ("blocked", f"another process is at {place}"),
        "failed": ("run", f"failed before: {state.error or 'no error was recorded'}"),
        "missing": ("run", NOT_STARTED),
    }
    return decisions[state.kind]
