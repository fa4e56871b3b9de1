"""Tables for people: one row per run, numbers to the right, the next command at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from clt_ray.display.text import duration, size
from clt_ray.sweep.cost import assumptions
from clt_ray.sweep.plan import NOT_STARTED

if TYPE_CHECKING:
    from clt_ray.api.files import Deletable
    from clt_ray.api.inspect import SweepStatus
    from clt_ray.api.locations import Locations
    from clt_ray.api.run import RunOutcome
    from clt_ray.sweep.plan import Plan, PlannedCell

WIDTH = 100
"""Tables fit this many columns when the output is not a terminal."""

CELL_COLUMNS = ("model", "task", "group", "n", "seed")


def console() -> Console:
    plain = Console()
    return plain if plain.is_terminal else Console(width=WIDTH)


def table(*columns: tuple[str, str]) -> Table:
    """A table without borders; each column is (header, justify)."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for header, justify in columns:
        grid.add_column(header, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return grid


def _cell_columns() -> list[tuple[str, str]]:
    return [(name, "right" if name in ("n", "seed") else "left") for name in CELL_COLUMNS]


class _Series:
    """Writes the cells of a run, dimming those that repeat the row above."""

    def __init__(self) -> None:
        self._before: tuple[str, ...] = ()

    def __call__(self, *cells: object) -> list[str]:
        now = tuple(map(str, cells))
        shown = [
            f"[dim]{value}[/dim]" if self._before[: i + 1] == now[: i + 1] else value for i, value in enumerate(now)
        ]
        self._before = now
        return shown


def print_plan(plan: Plan, sweeps: Sequence[str]) -> None:
    """One row per cell, a totals line, what the estimates rest on, and the next command."""
    out = console()
    names = dict.fromkeys(cell.sweep for cell in plan.cells)
    for name in names:
        if len(names) > 1:
            out.print(f"[bold]{name}[/bold]", highlight=False)
        out.print(_planned([cell for cell in plan.cells if cell.sweep == name]))
        out.print()
    lines = [totals(plan)]
    if len(sweeps) > 1:
        lines.append(f"{plan.shared_between_sweeps} runs are shared between the sweeps, and executed once")
    lines.append(assumptions({task for cell in plan.cells for task in cell.run.tasks}))
    if plan.hub:
        lines.append(f"loaded from the hub at the first run that needs them: {', '.join(plan.hub)}")
    lines.append(f"next: {'; '.join(f'clt-ray run {sweep}' for sweep in sweeps)}")
    for line in lines:
        out.print(line, highlight=False)


def _planned(cells: Sequence[PlannedCell]) -> Table:
    grid = table(
        *_cell_columns(), ("action", "left"), ("rows", "right"), ("Mtok", "right"), ("steps", "right"),
        ("chip-h", "right"), ("why", "left"),
    )  # fmt: skip
    grid.padding = (0, 1, 0, 0)
    for column in grid.columns[:-1]:
        column.no_wrap = True
    series = _Series()
    for cell in cells:
        run, key, hours = cell.run, cell.cell.key, cell.chip_hours
        grid.add_row(
            *series(key.model, run.task, key.language_group, key.samples_per_language, key.seed),
            cell.action, f"{run.train_rows:,}", f"{cell.tokens / 1e6:,.1f}", f"{run.steps:,}",
            "" if hours is None else f"{hours:,.1f}", _reason(cell),
        )  # fmt: skip
    return grid


def _reason(cell: PlannedCell) -> str:
    """The plan's reason, short: of a shared cell, where the cell that executes it differs, in sweep and group."""
    if cell.shared_with is None:
        return "new" if cell.reason == NOT_STARTED else cell.reason
    place = cell.shared_with
    sweep = "" if place.sweep == cell.sweep else f"{place.sweep} "
    return f"shared with {sweep}{place.cell.key.language_group}"


def totals(plan: Plan) -> str:
    """`16 cells, 14 runs: 12 to run, 2 finished; 12,600 rows in 400 steps to train`."""
    words = {"run": "to run", "resume": "to resume", "skip": "finished", "blocked": "blocked"}
    states = ", ".join(f"{count} {words[action]}" for action, count in plan.actions.items() if count)
    left = plan.remaining
    cost = f", about {left.chip_hours:,.0f} chip-hours" if left.chip_hours else ""
    return (
        f"{len(plan.cells)} cells, {plan.total.runs} runs: {states}; "
        f"{left.train_rows:,} rows in {left.steps:,} steps to train{cost}"
    )


def print_announcement(plan: Plan, locations: Locations) -> None:
    """What `run` is about to do, before it does."""
    print(f"sweep {plan.sweep}: {totals(plan)}\nstorage {locations.storage}", flush=True)


def print_outcome(outcome: RunOutcome, sweep: str, locations: Locations) -> None:
    """How a sweep ended, real error lines included, and what to do next."""
    told = outcome.status
    for run in told.runs:
        if run.state == "failed":
            print(f"failed: {run.name} ({run.run_id}): {run.error}")
    for run in told.runs:
        if run.run_id in outcome.skipped:
            print(f"skipped: {run.name} ({run.run_id}): {outcome.skipped[run.run_id]}")
    if outcome.executed == 0 and told.complete:
        print(f"nothing to do: all {len(told.runs)} runs of {told.sweep} are finished")
    else:
        print(
            f"{told.count('finished')} of {len(told.runs)} runs finished, {told.count('failed')} failed, "
            f"in {duration(outcome.seconds)}"
        )
    if outcome.untracked:
        print(f"MLflow is not up to date ({outcome.untracked}); the next command brings it up to date")
    print(f"MLflow: {locations.tracking_uri}")
    if outcome.skipped and outcome.exit_code == 0:
        print(f"next: clt-ray report {sweep}; or the {len(outcome.skipped)} skipped runs: clt-ray run {sweep}")
    elif told.complete:
        print(f"next: clt-ray report {sweep}; clt-ray ui {sweep}")
    else:
        print(f"next: clt-ray run {sweep}   (continues with what is missing)")


def print_status(told: SweepStatus, sweep: str) -> None:
    """One row per run, counts, time left, and the next command."""
    grid = table(*_cell_columns(), ("state", "left"), ("done", "right"), ("error", "left"))
    series = _Series()
    for run in told.runs:
        grid.add_row(
            *series(run.model, run.task, run.language_group, run.samples_per_language, run.seed),
            f"[red]{run.state}[/red]" if run.state == "failed" else run.state,
            f"{run.progress:.0%}",
            run.error or "",
        )
    out = console()
    out.print(grid)
    states = ("finished", "running", "waiting", "interrupted", "failed")
    counts = ", ".join(f"{told.count(state)} {state}" for state in states if told.count(state))
    left = f", {duration(told.eta_seconds)} left" if told.eta_seconds is not None else ""
    verb = "report" if told.complete else "run"
    out.print(f"\n{counts}{left}\nnext: clt-ray {verb} {sweep}", highlight=False, soft_wrap=True)


def print_best(chosen: Sequence[dict[str, Any]]) -> None:
    """Chosen step, its metric, and the two best of the others."""
    grid = table(("run", "left"), ("step", "right"), ("metric", "left"), ("value", "right"), ("runners-up", "left"))
    for run in chosen:
        selection = run["selection"]
        if selection is None:
            grid.add_row(run["name"], "", "", "", "no validation yet")
            continue
        others = "  ".join(f"{other['value']:.4f} at {other['step']}" for other in selection["runners_up"][:2])
        note = "" if run["final"] else "  (so far)"
        best = selection["chosen"]
        grid.add_row(
            f"{run['name']} [dim]{run['run_id']}[/dim]", str(best["step"]),
            f"{selection['metric']} {selection['mode']}", f"{best['value']:.4f}", others + note,
        )  # fmt: skip
    out = console()
    out.print(grid)
    out.print("\nnext: clt-ray export RUN_ID DIR", highlight=False, soft_wrap=True)


def print_clean(found: Sequence[Deletable], sweep: str, applied: bool) -> None:
    """What was or could be deleted, and how large it is."""
    grid = table(("run", "left"), ("what", "left"), ("size", "right"), ("why", "left"))
    for item in found:
        grid.add_row(item.run_id, item.tree, size(item.size_bytes), item.why)
    out = console()
    if found:
        out.print(grid)
    total = size(sum(item.size_bytes for item in found))
    if applied:
        out.print(f"deleted {len(found)} trees, {total}", highlight=False, soft_wrap=True)
    elif found:
        out.print(
            f"\n{len(found)} trees, {total}\nnext: clt-ray clean {sweep} --apply", highlight=False, soft_wrap=True
        )
    else:
        out.print("nothing to delete", highlight=False)
