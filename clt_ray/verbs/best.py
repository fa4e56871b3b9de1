"""`clt-ray best`: the chosen checkpoint of each run, and why it was chosen."""

from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from clt_ray.errors import RunError
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.store import RunDir
from clt_ray.sweep.grid import Cell
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection
from clt_ray.training.checkpoints import select, weights_tree
from clt_ray.verbs.options import Json, Overrides, Storage, SweepFile
from clt_ray.verbs.terminal import CELL_COLUMNS, RepeatedCells, console, print_result, table

SHORTEST_PREFIX = 8
"""Digits of a run id that the table shows, more where runs would be mistaken for each other."""


@dataclass(frozen=True)
class BestCheckpoint:
    """The chosen checkpoint of one run."""

    cell: Cell
    """First cell of the run in the grid."""
    final: bool
    """Whether the run is finished; the choice of a run that still trains may change."""
    selection: Selection | None
    """The chosen step, its metric and value, and the runners-up; None before the first validation."""
    weights: str | None
    """URI of the weights; None before the first validation."""

    @property
    def run(self) -> RunSpec:
        return self.cell.run

    def to_json(self) -> dict[str, Any]:
        selection = asdict(self.selection) if self.selection else None
        run = {"run_id": self.run.run_id, "name": self.run.name, "final": self.final}
        return run | {"selection": selection, "weights": self.weights}


@dataclass(frozen=True)
class BestCheckpoints:
    """The chosen checkpoint of every run of a sweep."""

    sweep: str
    runs: tuple[BestCheckpoint, ...]
    """In the order of the grid."""

    def to_json(self) -> list[dict[str, Any]]:
        return [run.to_json() for run in self.runs]


def best(sweep: OpenSweep) -> BestCheckpoints:
    """Returns the chosen checkpoint of each run: step, metric, value, runners-up, and where its weights are.

    A run that still trains has the choice that its validations so far would give; one without a validation has none.
    """
    choices = []
    for run in sweep.runs:
        directory = sweep.store.run_dir(run.run_id)
        selection, final = _selection(run, directory)
        weights = f"{directory.uri}/{weights_tree(selection.chosen.step)}" if selection else None
        choices.append(BestCheckpoint(sweep.cell_of_run[run.run_id], final, selection, weights))
    return BestCheckpoints(sweep.name, tuple(choices))


def _selection(run: RunSpec, directory: RunDir) -> tuple[Selection | None, bool]:
    result = directory.result()
    if result:
        return result.selection, True
    points = [(point.step, point.metrics) for point in directory.metrics("validation")]
    try:
        return select(points, run.selection.metric, run.selection.mode), False
    except RunError:
        return None, False


def command(sweep: SweepFile, storage: Storage = None, overrides: Overrides = None, as_json: Json = False) -> int:
    choices = best(open_sweep(sweep, overrides=overrides or (), storage=storage))
    print_result(choices, as_json, _print)
    return 0


def _print(choices: BestCheckpoints) -> None:
    grid = table(*CELL_COLUMNS, "run", ">step", ">value", "runner-up")
    for column in grid.columns:
        column.no_wrap = True
    series = RepeatedCells()
    # `export` accepts the leading digits of an id in place of the id where they tell the runs apart.
    ids = {choice.run.run_id for choice in choices.runs}
    prefix = next(length for length in count(SHORTEST_PREFIX) if len({run_id[:length] for run_id in ids}) == len(ids))
    for choice in choices.runs:
        key, selection, run_id = choice.cell.key, choice.selection, choice.run.run_id[:prefix]
        place = series(key.model, choice.run.task, key.language_group, key.samples_per_language, key.seed)
        if selection is None:
            grid.add_row(*place, run_id, "", "", "no validation yet")
            continue
        runner_up = next((f"{other.value:.4f} at {other.step}" for other in selection.runners_up), "")
        note = "" if choice.final else " (so far)"
        grid.add_row(*place, run_id, str(selection.chosen.step), f"{selection.chosen.value:.4f}", f"{runner_up}{note}")
    output = console()
    output.print(grid)
    selections = [choice.selection for choice in choices.runs if choice.selection]
    metrics = dict.fromkeys(f"{selection.metric} ({selection.mode})" for selection in selections)
    chosen_by = f"chosen by {', '.join(metrics)}; " if metrics else ""
    output.print(f"\n{chosen_by}next: clt-ray export RUN DIR", highlight=False, markup=False, soft_wrap=True)
