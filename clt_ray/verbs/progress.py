"""Progress of a running sweep: a live table in a terminal, and one line per event elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from clt_ray.verbs.terminal import duration, loss, plain

if TYPE_CHECKING:
    from clt_ray.orchestration.monitor import RunSnapshot, SweepSnapshot

    Show = Callable[[SweepSnapshot], None]


def progress() -> contextlib.AbstractContextManager[Show]:
    """Returns a context that gives the function which shows each snapshot of the sweep while the block lasts."""
    return _live_table() if sys.stdout.isatty() else contextlib.nullcontext(print_events)


def headline(snapshot: SweepSnapshot) -> str:
    """Returns how many runs are done, running and failed, and the time left."""
    return (
        f"{snapshot.done} of {snapshot.total} done, {len(snapshot.running)} running, "
        f"{len(snapshot.failed)} failed, ETA {duration(snapshot.eta_seconds)}"
    )


def print_events(snapshot: SweepSnapshot) -> None:
    """Prints one line for each run that changed its state or stage."""
    for run in snapshot.changed:
        print(f"{event(run)}  [{headline(snapshot)}]", flush=True)


def event(run: RunSnapshot) -> str:
    """Returns the line of a run's latest event: `finished  tiny math all es+fr+ja+zh n 50 seed 0  loss 0.412`."""
    if run.state == "failed":
        return f"failed    {run.name}: {plain(run.error or '')}"
    word = run.stage if run.state == "running" else run.state
    line = f"{word:<9} {run.name}"
    return line if run.loss is None else f"{line}  loss {loss(run.loss)}"


@contextlib.contextmanager
def _live_table() -> Iterator[Show]:
    from rich.live import Live

    # The table goes when the sweep ends. What remains are the lines of the runs and the summary.
    with Live(console=Console(), refresh_per_second=4, transient=True) as view:

        def show(snapshot: SweepSnapshot) -> None:
            for run in snapshot.changed:
                if run.state in ("finished", "failed"):
                    style = "red" if run.state == "failed" else None
                    view.console.print(event(run), markup=False, highlight=False, style=style)
            view.update(_table(snapshot))

        yield show


def _table(snapshot: SweepSnapshot) -> Group:
    summary = Text(f"{headline(snapshot)}, {duration(snapshot.elapsed_seconds)} so far", style="bold")
    if not snapshot.running:
        return Group(summary)
    grid = Table(box=None, header_style="dim", pad_edge=False)
    grid.add_column("running", no_wrap=True)
    for column in ("stage", "step", "loss"):
        grid.add_column(column, justify="left" if column == "stage" else "right")
    for run in snapshot.running:
        grid.add_row(run.name, run.stage, f"{run.step}/{run.total_steps}", loss(run.loss))
    return Group(summary, grid)
