"""The verb `run`: plan, check, execute what is missing, bring MLflow up to date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clt_ray.api.inspect import SweepStatus, status
from clt_ray.api.locations import Locations
from clt_ray.errors import ConfigurationError
from clt_ray.orchestration.monitor import Monitor, Snapshot
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.plan import Plan, make_plan
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import SweepSpec
from clt_ray.tracking import BestEffortTracker, SweepTracker, TerminalStatus

if TYPE_CHECKING:
    from clt_ray.api.ordering import StoreOrder

log = logging.getLogger(__name__)

OTHERS_POLL_SECONDS = 0.5
PILOT_VALIDATIONS = 2
GRID, INFORMATIVE = "grid", "informative"
"""Orders in which missing runs are executed."""


@dataclass(frozen=True)
class RunOutcome:
    """What a call of `run` found and left."""

    status: SweepStatus
    executed: int
    """Runs that were missing and have been attempted."""
    seconds: float
    untracked: str | None
    """Why MLflow could not be brought up to date, if it could not."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Runs that were left out on purpose, by id, each with the reason."""

    @property
    def exit_code(self) -> int:
        if self.status.count("failed"):
            return 1
        missing = [run for run in self.status.runs if run.state != "finished" and run.run_id not in self.skipped]
        return 3 if missing else 0


def run(
    path: str,
    locations: Locations,
    *,
    overrides: Sequence[str] = (),
    address: str | None = None,
    limit: int | None = None,
    pilot: bool = False,
    verbose: bool = False,
    order: str = GRID,
    stop_at_plateau: bool = False,
    announce: Callable[[Plan], None] = lambda plan: None,
    show: Callable[[Snapshot], None] = lambda snapshot: None,
) -> RunOutcome:
    """Execute the runs of a sweep that are not finished. Calling it again is the resume.

    Args:
        path: Sweep file.
        locations: Store and tracker.
        overrides: `dotted.key=value` settings on top of the file.
        address: Ray cluster; see `orchestration.cluster.connected`.
        limit: At most this many runs at a time.
        pilot: Only the first and last cell of each model and task, for two validations: cheap evidence that
            a large sweep will work. Pilot runs have identities of their own.
        verbose: Let Ray's output through.
        order: `grid`, or `informative`: those first that are expected to tell most per chip-hour.
        stop_at_plateau: Leave out the larger sizes of a series whose plateau is established; they stay missing.
        announce: Called with the plan before anything is executed.
        show: Called about once a second with where the sweep is.

    Raises:
        ConfigurationError: The file, its data or its hardware cannot work; nothing was started.
    """
    began = time.monotonic()
    if pilot:
        overrides = [*overrides, *pilot_overrides(load_sweep(path, overrides))]
    spec = load_sweep(path, overrides)
    runs = expand(spec)
    if pilot:
        runs = tuple(_extremes(runs))
    store = Store(locations.storage)
    tracker = BestEffortTracker(SweepTracker(locations.tracking_uri, spec.name, store))
    plan = make_plan(spec, store.states([run.run_id for run in runs]))
    announce(plan)
    attempted: set[str] = set()
    chosen = _order(runs, store, order, stop_at_plateau)
    while True:
        wanted = set(plan.run_ids("run", "resume")) - attempted
        blocked = plan.run_ids("blocked")
        if wanted:
            missing = [run for run in runs if run.run_id in wanted]
            preflight(missing)
            done = len(plan.run_ids("skip"))
            _execute(missing, done, len(runs), store, locations, tracker, address, limit, verbose, show, chosen)
            attempted |= wanted
        elif blocked:
            _wait_for_others(blocked, store)
            # What another process has given up is ours to try, also where we tried before and it was held.
            attempted -= set(blocked)
        else:
            break
        # Meanwhile other processes have finished runs, or died and left some.
        plan = make_plan(spec, store.states([run.run_id for run in runs]))
    tracker.update(runs, force=True)
    after = status(path, locations, overrides)
    tracker.finish(_terminal_status(after), [Path(path)])
    skipped = chosen.skipped if chosen else {}
    return RunOutcome(after, len(attempted - set(skipped)), time.monotonic() - began, tracker.trouble, skipped)


def _terminal_status(status: SweepStatus) -> TerminalStatus:
    """Returns the status of the sweep's parent run in MLflow."""
    if status.complete:
        return "FINISHED"
    return "FAILED" if status.count("failed") else "KILLED"


def _order(runs: Sequence[RunSpec], store: Store, order: str, stop_at_plateau: bool) -> StoreOrder | None:
    """None for the plain grid, which needs no scores."""
    if order == GRID and not stop_at_plateau:
        return None
    from clt_ray.api.ordering import StoreOrder

    return StoreOrder(runs, store, informative=order == INFORMATIVE, stop_at_plateau=stop_at_plateau)


def _wait_for_others(run_ids: Sequence[str], store: Store) -> None:
    """Return when another process has finished or given up one of the runs it executes."""
    log.warning("waiting for %d runs that another process executes; Ctrl-C leaves it to that process", len(run_ids))
    while all(state.kind == "running" for state in store.states(run_ids).values()):
        time.sleep(OTHERS_POLL_SECONDS)


def _execute(
    missing: Sequence[RunSpec],
    already_done: int,
    total: int,
    store: Store,
    locations: Locations,
    tracker: BestEffortTracker,
    address: str | None,
    limit: int | None,
    verbose: bool,
    show: Callable[[Snapshot], None],
    order: StoreOrder | None,
) -> None:
    from clt_ray.orchestration.sweep import run_missing

    with Monitor(missing, already_done, total, store, show, tracker) as monitor:
        run_missing(missing, locations.storage, monitor, address=address, limit=limit, verbose=verbose, order=order)


def preflight(runs: Sequence[RunSpec]) -> None:
    """Everything that can be known to fail before a cluster is touched.

    Raises:
        ConfigurationError: All problems found.
    """
    from clt_ray.data.mixture import check_availability
    from clt_ray.training.backends import unsupported

    problems = {problem for run in runs if (problem := unsupported(run)) is not None}
    problems_in_order = sorted(problems, key=str)
    problems_in_order += check_availability(runs)
    if problems_in_order:
        raise ConfigurationError(problems_in_order)


def pilot_overrides(spec: SweepSpec) -> list[str]:
    """Settings that make each run short; `max_steps` is part of identity, so pilots never pass for runs."""
    return [f"training.max_steps={PILOT_VALIDATIONS * spec.training.eval_every}"]


def _extremes(runs: Sequence[RunSpec]) -> list[RunSpec]:
    """The first and the last run of each model and task: the smallest and the largest mixture."""
    groups: dict[tuple[str, str], list[RunSpec]] = {}
    for run in runs:
        groups.setdefault((run.model.name, run.task), []).append(run)
    chosen = {run.run_id: run for group in groups.values() for run in (group[0], group[-1])}
    return list(chosen.values())
