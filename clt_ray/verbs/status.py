"""`clt-ray status`: where each run of a sweep is, the real error of those that failed, and the time left."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.store import ResultDocument
from clt_ray.sweep.grid import Cell
from clt_ray.sweep.plan import RunStatus
from clt_ray.training.checkpoints import TREE
from clt_ray.verbs.options import Json, Overrides, Pilot, Storage, SweepFile, next_command
from clt_ray.verbs.terminal import CELL_COLUMNS, RepeatedCells, console, duration, escaped, print_result, size, table

FAILED, INCOMPLETE = 1, 3
MOST_RESULTS = 64
"""Most finished runs whose pace is read for the estimate of the time left; they are spread over the grid."""


@dataclass(frozen=True)
class RunProgress:
    """Where one run is."""

    run_id: str
    name: str
    model: str
    task: str
    language_group: str
    """Language group of the run's first cell in the grid, also where the run has no non-English rows."""
    samples_per_language: int
    seed: int
    state: str
    """waiting, interrupted, running, failed or finished."""
    progress: float
    """Optimizer steps done, as a fraction of all."""
    error: str | None
    """Why the run failed or was stopped, or what it waits for."""


@dataclass(frozen=True)
class DiskUse:
    """What the directories of some runs take in the storage, in bytes."""

    weights_bytes: int = 0
    resume_bytes: int = 0
    """Optimizer and random state, from which runs that are not finished continue."""
    rest_bytes: int = 0


@dataclass(frozen=True)
class SweepStatus:
    """Where every distinct run of a sweep is."""

    sweep: str
    runs: tuple[RunProgress, ...]
    """In the order of the grid."""
    eta_seconds: float | None
    """Expected seconds to the end at the pace of the finished runs; None when none has finished or none is running."""
    disk: DiskUse
    """Of all runs together, with the files of processes that died while writing."""

    def count(self, state: str) -> int:
        return sum(run.state == state for run in self.runs)

    @property
    def complete(self) -> bool:
        return self.count("finished") == len(self.runs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def status(sweep: OpenSweep) -> SweepStatus:
    """Returns the state of every distinct run of a sweep, read from the store alone."""
    sizes = sweep.store.sizes()
    states = sweep.store.states([run.run_id for run in sweep.runs], sizes)
    runs = tuple(_progress(sweep.cell_of_run[run.run_id], states[run.run_id]) for run in sweep.runs)
    return SweepStatus(sweep.name, runs, _eta(sweep, runs), _disk_use(set(states), sizes))


def _disk_use(run_ids: Set[str], sizes: Mapping[str, int]) -> DiskUse:
    kinds: dict[str, int] = dict.fromkeys(("weights", "resume", "rest"), 0)
    for path, count in sizes.items():
        _, run_id, *inside = path.split("/", 2)
        if run_id in run_ids:
            tree = TREE.match("".join(inside))
            kinds[tree[1] if tree else "rest"] += count
    return DiskUse(*kinds.values())


def _progress(cell: Cell, state: RunStatus) -> RunProgress:
    run = cell.run
    kind = "waiting" if state.kind == "missing" or state.waits else state.kind
    done = 1.0 if kind == "finished" else state.step / (state.total_steps or run.steps)
    place = (run.model.name, run.task, cell.key.language_group, run.samples_per_language, run.seed)
    return RunProgress(run.run_id, run.name, *place, kind, done, state.error)


def _eta(sweep: OpenSweep, runs: Sequence[RunProgress]) -> float | None:
    """Returns the steps that are left, at the seconds per step of the finished runs, shared by the running ones."""
    running = sum(run.state == "running" for run in runs)
    finished = [run.run_id for run in runs if run.state == "finished"]
    if not running or not finished:
        return None
    results = sweep.store.documents(finished[:: -(-len(finished) // MOST_RESULTS)], ResultDocument)
    seconds = sum(result.seconds.total for result in results.values())
    steps = sum(result.steps for result in results.values())
    left = sum(spec.steps * (1 - run.progress) for spec, run in zip(sweep.runs, runs, strict=True))
    return seconds / steps * left / running if steps else None


def command(
    sweep: SweepFile, storage: Storage = None, overrides: Overrides = None, pilot: Pilot = False, as_json: Json = False
) -> int:
    opened = open_sweep(sweep, overrides=overrides or (), storage=storage, pilot=pilot)
    sweep_status = status(opened)
    print_result(sweep_status, as_json, _print, opened)
    return FAILED if sweep_status.count("failed") else 0 if sweep_status.complete else INCOMPLETE


def _print(sweep_status: SweepStatus, sweep: OpenSweep) -> None:
    grid = table(*CELL_COLUMNS, "state", ">done", "error")
    series = RepeatedCells()
    for run in sweep_status.runs:
        place = series(run.model, run.task, run.language_group, run.samples_per_language, run.seed)
        state = f"[red]{run.state}[/red]" if run.state == "failed" else run.state
        grid.add_row(*place, state, f"{run.progress:.0%}", escaped(run.error or ""))
    output = console()
    output.print(grid)
    states = ("finished", "running", "waiting", "interrupted", "failed")
    counts = ", ".join(f"{count} {state}" for state in states if (count := sweep_status.count(state)))
    left = f", {duration(sweep_status.eta_seconds)} left" if sweep_status.eta_seconds is not None else ""
    following = next_command(sweep, "report" if sweep_status.complete and not sweep.pilot_of else "run")
    disk = dict(zip(("weights", "resume state", "rest"), asdict(sweep_status.disk).values(), strict=True))
    kinds = ", ".join(f"{size(count)} {kind}" for kind, count in disk.items())
    kept = f"{size(sum(disk.values()))} in the storage ({kinds})"
    output.print(f"\n{counts}{left}\n{kept}\nnext: {following}", highlight=False, markup=False, soft_wrap=True)
