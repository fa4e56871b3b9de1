"""`clt-ray run`: executes the runs of a sweep that are missing. Running it again is the resume."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clt_ray.errors import ConfigurationError
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.pilot import PilotSummary, summarise
from clt_ray.redaction import redacted
from clt_ray.sweep.cost import SECONDS_PER_HOUR
from clt_ray.sweep.plan import Plan
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import BestEffortTracker, TerminalStatus
from clt_ray.verbs.options import Overrides, Pilot, Storage, SweepFile, TrackingUri, Verbose, next_command, value_option
from clt_ray.verbs.plan import plan, totals
from clt_ray.verbs.progress import progress
from clt_ray.verbs.status import SweepStatus, status
from clt_ray.verbs.terminal import console, duration, plain, size, table

if TYPE_CHECKING:
    from clt_ray.orchestration.monitor import SweepSnapshot
    from clt_ray.orchestration.supervisor import Execution
    from clt_ray.run_order import StoreOrder

log = logging.getLogger(__name__)

FAILED, INCOMPLETE = 1, 3
OTHERS_POLL_SECONDS = 0.5

Address = Annotated[str | None, value_option("--address", "RAY", "Ray cluster (default: $RAY_ADDRESS, else local).")]
MaxConcurrent = Annotated[int | None, value_option("--max-concurrent", "N", "At most N runs at a time.", min=1)]
CHIP_HOURS_HELP = "Start no run that would pass so many chip-hours."
MaxWait = Annotated[float, value_option("--max-wait", "HOURS", "Longest wait for nodes while nothing trains.", min=0)]
StopGrace = Annotated[float, value_option("--stop-grace", "SECONDS", "Time for checkpoints when interrupted.", min=0)]
ORDER_HELP = "grid, or informative: most information per chip-hour first."
STOP_HELP = "Leave out larger sizes of a series whose plateau is established."


@dataclass(frozen=True)
class RunOptions:
    """How a sweep is executed. None of it changes a run's numbers."""

    address: Address = None
    max_concurrent: MaxConcurrent = None
    """Most runs at a time; None is as many as the cluster carries."""
    max_chip_hours: Annotated[float | None, value_option("--max-chip-hours", "HOURS", CHIP_HOURS_HELP, min=0)] = None
    """Most chip-hours that the runs of this call may use; on CPUs each worker counts as a chip."""
    max_wait: MaxWait = 24.0
    """Longest wait for nodes while no run trains, in hours; the runs stay missing."""
    stop_grace: StopGrace = 10.0
    """Time that the runs have to write a checkpoint when the call is interrupted, in seconds."""
    order: Annotated[Literal["grid", "informative"], typer.Option("--order", metavar="ORDER", help=ORDER_HELP)] = "grid"
    stop_at_plateau: Annotated[bool, typer.Option("--stop-at-plateau", help=STOP_HELP)] = False
    """Leave out the larger sizes of a series whose plateau is established; these runs stay missing."""
    verbose: Verbose = False


@dataclass(frozen=True)
class RunOutcome:
    """What a call of `run` executed, and where the sweep is after it."""

    status: SweepStatus
    executed: int
    """Runs that were missing and have been attempted."""
    seconds: float
    untracked: str | None
    """Why MLflow could not be brought up to date; None when it was."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Runs that were left out on purpose, by run id, each with the reason."""
    not_started: Mapping[str, str] = field(default_factory=dict)
    """Runs that this call did not execute although they are missing, by run id, each with the reason."""
    pilot: PilotSummary | None = None
    """What a finished pilot showed; None for a full sweep and for a pilot that is not finished."""

    @property
    def exit_code(self) -> int:
        """0 when every run is finished or left out on purpose, 1 when one failed, 3 when some are missing."""
        if self.status.count("failed"):
            return FAILED
        missing = [run for run in self.status.runs if run.state != "finished" and run.run_id not in self.skipped]
        return INCOMPLETE if missing else 0


def run(
    sweep: OpenSweep,
    options: RunOptions = RunOptions(),
    *,
    announce: Callable[[Plan], None] = lambda plan: None,
    show: Callable[[SweepSnapshot], None] = lambda snapshot: None,
) -> RunOutcome:
    """Executes the runs of a sweep, or of its pilot, that are not finished. Calling it again resumes.

    `announce` is called with the plan before anything is executed, `show` about once a second with the sweep's state.

    Raises:
        ConfigurationError: The data or the hardware of the sweep cannot work; nothing was started.
    """
    started = time.monotonic()
    tracker = BestEffortTracker(sweep.tracker)
    order = _order(sweep, options)
    planned = plan(sweep)
    announce(planned)
    attempted: set[str] = set()
    not_started: dict[str, str] = {}
    while True:
        pending = set(planned.run_ids("run", "resume")) - attempted
        blocked = planned.run_ids("blocked")
        if pending:
            missing = [run for run in sweep.runs if run.run_id in pending]
            preflight(missing)
            execution = _execute(sweep, missing, len(planned.run_ids("skip")), options, tracker, order, show)
            # A run that another process held is tried again once that process has given it up.
            attempted |= pending - execution.held
            not_started |= execution.not_started
        elif blocked:
            log.warning("waiting for %d runs of another process; Ctrl-C leaves them to that process", len(blocked))
            while all(state.kind == "running" for state in sweep.store.states(blocked).values()):
                time.sleep(OTHERS_POLL_SECONDS)
            # A run that another process has given up is tried here, also where it was held at an earlier try.
            attempted -= set(blocked)
        else:
            break
        # Meanwhile other processes have finished runs, or died and left some.
        planned = plan(sweep)
    tracker.update(sweep.runs, force=True)
    final_status = status(sweep)
    incomplete: TerminalStatus = "FAILED" if final_status.count("failed") else "KILLED"
    tracker.finish("FINISHED" if final_status.complete else incomplete, [Path(sweep.file)])
    skipped = order.skipped if order else {}
    executed, seconds = len(attempted - set(skipped) - set(not_started)), time.monotonic() - started
    pilot = summarise(sweep) if sweep.pilot_of and final_status.complete else None
    return RunOutcome(final_status, executed, seconds, tracker.trouble, skipped, not_started, pilot)


def _order(sweep: OpenSweep, options: RunOptions) -> StoreOrder | None:
    if options.order == "grid" and not options.stop_at_plateau:
        return None
    from clt_ray.run_order import StoreOrder

    informative = options.order == "informative"
    return StoreOrder(sweep.runs, sweep.store, informative=informative, stop_at_plateau=options.stop_at_plateau)


def _execute(
    sweep: OpenSweep,
    missing: Sequence[RunSpec],
    already_done: int,
    options: RunOptions,
    tracker: BestEffortTracker,
    order: StoreOrder | None,
    show: Callable[[SweepSnapshot], None],
) -> Execution:
    from clt_ray.orchestration.monitor import Monitor
    from clt_ray.orchestration.options import RayOptions
    from clt_ray.orchestration.queue import RunQueue
    from clt_ray.orchestration.supervisor import run_missing

    ray = RayOptions(options.address, options.max_concurrent, options.max_wait, options.stop_grace, options.verbose)
    queue = RunQueue(missing, order, options.max_concurrent, options.max_chip_hours)
    with Monitor(missing, already_done, len(sweep.runs), sweep.store, show, tracker) as monitor:
        return run_missing(missing, sweep.locations.storage, queue, monitor, ray)


def preflight(runs: Sequence[RunSpec]) -> None:
    """Raises `ConfigurationError` for runs that are known to fail, with all reasons, before a cluster is touched."""
    from clt_ray.data.mixture import check_availability
    from clt_ray.training.backends import unsupported

    placements = [place for run in runs for place in run.placements]
    hardware_problems = {problem for place in placements if (problem := unsupported(place)) is not None}
    problems = [*sorted(hardware_problems, key=str), *check_availability(runs)]
    if problems:
        raise ConfigurationError(problems)


def command(
    sweep: SweepFile,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    overrides: Overrides = None,
    pilot: Pilot = False,
    options: RunOptions = RunOptions(),
) -> int:
    opened = open_sweep(sweep, overrides=overrides or (), storage=storage, tracking_uri=tracking_uri, pilot=pilot)

    def announce(planned: Plan) -> None:
        print(f"sweep {planned.sweep}: {totals(planned)}\nstorage {opened.locations.storage}", flush=True)

    with progress() as show:
        outcome = run(opened, options, announce=announce, show=show)
    _print(outcome, opened)
    return outcome.exit_code


def _print(outcome: RunOutcome, sweep: OpenSweep) -> None:
    sweep_status = outcome.status
    for run in sweep_status.runs:
        if run.state == "failed":
            print(f"failed: {run.name} ({run.run_id}): {plain(run.error or '')}")
        if run.run_id in outcome.not_started:
            print(f"not started: {run.name} ({run.run_id}): {plain(outcome.not_started[run.run_id])}")
        if run.run_id in outcome.skipped:
            print(f"skipped: {run.name} ({run.run_id}): {outcome.skipped[run.run_id]}")
    if outcome.executed == 0 and sweep_status.complete:
        print(f"nothing to do: all {len(sweep_status.runs)} runs of {sweep_status.sweep} are finished")
    else:
        finished, failed = sweep_status.count("finished"), sweep_status.count("failed")
        time_taken = duration(outcome.seconds)
        print(f"{finished} of {len(sweep_status.runs)} runs finished, {failed} failed, in {time_taken}")
    if outcome.pilot:
        _print_pilot(outcome.pilot)
    if outcome.untracked:
        print(f"MLflow is not up to date ({outcome.untracked}); the next command brings it up to date")
    print(f"MLflow: {redacted(sweep.locations.tracking_uri)}")
    print(f"next: {_next(outcome, sweep)}")


def _next(outcome: RunOutcome, sweep: OpenSweep) -> str:
    if outcome.pilot and sweep.pilot_of:
        return f"{next_command(sweep.pilot_of, 'run')}   (the full sweep)"
    report = next_command(sweep, "report")
    if outcome.skipped and outcome.exit_code == 0:
        return f"{report}; or the {len(outcome.skipped)} skipped runs: {next_command(sweep, 'run')}"
    if outcome.status.complete:
        return f"{report}; {next_command(sweep, 'ui')}"
    return f"{next_command(sweep, 'run')}   (continues with what is missing)"


def _print_pilot(summary: PilotSummary) -> None:
    grid = table("model", "task", ">runs", ">s/step", ">planned", ">tokens/s", ">host memory", ">device memory")
    for row in summary.measurements:
        planned = "no estimate" if row.planned_step_seconds is None else f"{row.planned_step_seconds:.3f}"
        memory = ["" if count is None else size(count) for count in (row.host_memory_bytes, row.device_memory_bytes)]
        step_seconds, tokens = f"{row.step_seconds:.3f}", f"{row.tokens_per_second:,.0f}"
        grid.add_row(row.model, row.task, str(row.runs), step_seconds, planned, tokens, *memory)
    console().print(grid)
    chips = "" if summary.full_chip_hours is None else f", {summary.full_chip_hours:,.1f} chip-hours"
    total = f"about {duration(summary.full_run_hours * SECONDS_PER_HOUR)} one after the other{chips}"
    print(f"the full sweep {summary.sweep}: {summary.full_runs} runs, {total}; divide by the runs that train at a time")
