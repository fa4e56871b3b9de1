"""Progress of a running sweep: a live table in a terminal, and one line per event elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from clt_ray.verbs.terminal import duration, loss

if TYPE_CHECKING:
    from rich.console import Group

    from clt_ray.orchestration.monitor import Live, Snapshot

    Show = Callable[[Snapshot], None]


@contextlib.contextmanager
def progress() -> Iterator[Show]:
    """Yields the function that shows each snapshot of the sweep while the block lasts."""
    if sys.stdout.isatty():
        with _live_table() as show:
            yield show
    else:
        yield print_events


def headline(snapshot: Snapshot) -> str:
    """Returns how many runs are done, running and failed, and the time left."""
    return (
        f"{snapshot.done} of {snapshot.total} done, {len(snapshot.running)} running, "
        f"{len(snapshot.failed)} failed, ETA {duration(snapshot.eta_seconds)}"
    )


def print_events(snapshot: Snapshot) -> None:
    """Prints one line for each run that changed its state or stage."""
    for live in snapshot.changed:
        print(f"{event(live)}  [{headline(snapshot)}]", flush=True)


def event(live: Live) -> str:
    """Returns the line of a run's latest event: `finished  tiny math all es+fr+ja+zh n 50 seed 0  loss 0.412`."""
    if live.state == "failed":
        return f"failed    {live.run.name}: {live.error}"
    word = live.stage if live.state == "running" else live.state
    line = f"{word:<9} {live.run.name}"
    return line if live.loss is None else f"{line}  loss {loss(live.loss)}"


@contextlib.contextmanager
def _live_table() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live as RichLive

    # The table goes when the sweep ends. What remains are the lines of the runs and the summary.
    with RichLive(console=Console(), refresh_per_second=4, transient=True) as view:

        def show(snapshot: Snapshot) -> None:
            for live in snapshot.changed:
                if live.state in ("finished", "failed"):
                    style = "red" if live.state == "failed" else None
                    view.console.print(event(live), markup=False, highlight=False, style=style)
            view.update(_table(snapshot))

        yield show


def _table(snapshot: Snapshot) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    summary = Text(f"{headline(snapshot)}, {duration(snapshot.elapsed_seconds)} so far", style="bold")
    if not snapshot.running:
        return Group(summary)
    grid = Table(box=None, header_style="dim", pad_edge=False)
    grid.add_column("running", no_wrap=True)
    for column in ("stage", "step", "loss"):
        grid.add_column(column, justify="left" if column == "stage" else "right")
    for live in snapshot.running:
        grid.add_row(live.run.name, live.stage, f"{live.step}/{live.total_steps}", loss(live.loss))
    return Group(summary, grid)
