"""A sweep that is open: its file read once, with the overrides, pilot, storage and tracker that a command names.

    sweep = open_sweep("sweeps/smoke.yaml", overrides=["seeds=[0, 1]"], storage="/data/runs")
    sweep.runs          # what the file and the overrides ask for
    sweep.store         # where those runs are
    sweep.tracker       # what MLflow shows of them

Every verb takes an `OpenSweep`, so no verb can read another file, other overrides or another storage than the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.locations import Locations, locate
from clt_ray.pilot import is_extreme, shortened
from clt_ray.redaction import redacted
from clt_ray.store import Store
from clt_ray.sweep.grid import Cell, cells, distinct_runs
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import SweepSpec

if TYPE_CHECKING:
    from clt_ray.tracking import SweepTracker


@dataclass(frozen=True)
class OpenSweep:
    """One sweep as every verb sees it. Make one with `open_sweep`.

    Its cells and runs are computed when a verb first needs them, which raises `DataError` where a local data root or
    model directory cannot be read.
    """

    file: str
    """Path of the sweep file, as the user wrote it."""
    spec: SweepSpec
    """Checked content of the file with the overrides applied; of a pilot, with its changes too."""
    locations: Locations
    options: tuple[tuple[str, str], ...] = ()
    """Command-line options and their values that open this sweep again, with secrets in URIs redacted; messages such
    as `next: clt-ray report ...` repeat them. The value of a flag is empty."""
    pilot_of: OpenSweep | None = None
    """The full sweep that this is the pilot of; None for a full sweep."""

    @property
    def name(self) -> str:
        """Name of the sweep, of its MLflow experiment and of its report."""
        return self.spec.name

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Cells of the grid; of a pilot, those whose run is the smallest or the largest of its model and task."""
        every_cell = cells(self.spec)
        if self.pilot_of is None:
            return every_cell
        extreme = is_extreme(distinct_runs(every_cell))
        return tuple(cell for cell in every_cell if extreme(cell.run))

    @cached_property
    def runs(self) -> tuple[RunSpec, ...]:
        """Distinct runs of the cells, in the order of the grid."""
        return distinct_runs(self.cells)

    @cached_property
    def cell_of_run(self) -> dict[str, Cell]:
        """First cell of each run, by run id: it names the run's place in the grid."""
        return {cell.run.run_id: cell for cell in reversed(self.cells)}

    @cached_property
    def store(self) -> Store:
        return Store(self.locations.storage)

    @cached_property
    def tracker(self) -> SweepTracker:
        """MLflow's side of this sweep; nothing connects before it is used."""
        from clt_ray.tracking import SweepTracker

        return SweepTracker(self.locations.tracking_uri, self.name, self.store)


def open_sweep(
    file: str,
    *,
    overrides: Sequence[str] = (),
    storage: str | None = None,
    tracking_uri: str | None = None,
    pilot: bool = False,
) -> OpenSweep:
    """Reads and checks a sweep file and resolves where its runs and its tracker are.

    Args:
        file: Path of the sweep file. Relative paths inside it start at its folder.
        overrides: `dotted.key=value` settings on top of the file, values in YAML.
        storage: Path or URI of the store; see `clt_ray.locations.locate` for the default.
        tracking_uri: MLflow's tracking URI; see the same.
        pilot: Open the sweep's pilot instead: a sweep of its own, named `<name>-pilot`, with the smallest and the
            largest run of every model and task, each shortened to two validations.

    Raises:
        ConfigurationError: Every problem of the file and the overrides at once.
    """
    options = [("--set", override) for override in overrides]
    options += [("--storage", redacted(storage))] if storage else []
    options += [("--tracking-uri", redacted(tracking_uri))] if tracking_uri else []
    sweep = OpenSweep(file, load_sweep(file, overrides), locate(storage, tracking_uri), tuple(options))
    if not pilot:
        return sweep
    return replace(sweep, spec=shortened(sweep.spec), options=(("--pilot", ""), *options), pilot_of=sweep)


def open_sweeps(
    files: Sequence[str],
    *,
    overrides: Sequence[str] = (),
    storage: str | None = None,
    tracking_uri: str | None = None,
    pilot: bool = False,
) -> tuple[OpenSweep, ...]:
    """Opens several sweeps with the same overrides and locations; arguments as `open_sweep`.

    Raises:
        ConfigurationError: Every problem of every file at once.
    """
    sweeps: list[OpenSweep] = []
    problems: list[Problem] = []
    for file in files:
        try:
            sweep = open_sweep(file, overrides=overrides, storage=storage, tracking_uri=tracking_uri, pilot=pilot)
            sweeps.append(sweep)
        except ConfigurationError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigurationError(problems)
    return tuple(sweeps)
