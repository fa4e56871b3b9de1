"""Progress of a running sweep: a live table in a terminal, one line per event elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from clt_ray.display.text import duration, loss
from clt_ray.orchestration.monitor import Live, Snapshot

Show = Callable[[Snapshot], None]


@contextlib.contextmanager
def progress() -> Iterator[Show]:
    """What to call with each snapshot, for as long as the block lasts."""
    if sys.stdout.isatty():
        with _live() as show:
            yield show
    else:
        yield print_lines


def headline(snapshot: Snapshot) -> str:
    return (
        f"{snapshot.done} of {snapshot.total} done, {len(snapshot.running)} running, "
        f"{len(snapshot.failed)} failed, ETA {duration(snapshot.eta_seconds)}"
    )


def print_lines(snapshot: Snapshot) -> None:
    """One line for each run that changed its state or stage."""
    for live in snapshot.changed:
        print(f"{event(live)}  [{headline(snapshot)}]", flush=True)


def event(live: Live) -> str:
    """`finished  tiny math all es+fr+ja+zh n 50 seed 0  loss 0.412`."""
    if live.state == "failed":
        return f"failed    {live.run.name}: {live.error}"
    word = live.stage if live.state == "running" else live.state
    told = f"{word:<9} {live.run.name}"
    return told if live.loss is None else f"{told}  loss {loss(live.loss)}"


@contextlib.contextmanager
def _live() -> Iterator[Show]:
    from rich.console import Console, Group
    from rich.live import Live as RichLive
    from rich.table import Table
    from rich.text import Text

    console = Console()

    def picture(snapshot: Snapshot) -> Group:
        told = Text(f"{headline(snapshot)}, {duration(snapshot.elapsed_seconds)} so far", style="bold")
        if not snapshot.running:
            return Group(told)
        grid = Table(box=None, header_style="dim", pad_edge=False)
        grid.add_column("running", no_wrap=True)
        for column in ("stage", "step", "loss"):
            grid.add_column(column, justify="left" if column == "stage" else "right")
        for live in snapshot.running:
            grid.add_row(live.run.name, live.stage, f"{live.step}/{live.total_steps}", loss(live.loss))
        return Group(told, grid)

    # The picture goes when the sweep ends: what remains are the lines of the runs, and the summary.
    with RichLive(console=console, refresh_per_second=4, transient=True) as view:

        def show(snapshot: Snapshot) -> None:
            for live in snapshot.changed:
                if live.state in ("finished", "failed"):
                    view.console.print(event(live), markup=False, highlight=False,
                                       style="red" if live.state == "failed" else None)  # fmt: skip
            view.update(picture(snapshot))

        yield show
