"""Verbs that only read: validate, plan, status, best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clt_ray.api.locations import Locations
from clt_ray.errors import ConfigurationError
from clt_ray.store import RunDir, Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.plan import Plan, RunStatus, make_plan
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import SweepSpec


def validate(path: str, overrides: Sequence[str] = ()) -> SweepSpec:
    """Load a sweep file.

    Raises:
        ConfigurationError: Every problem of the file at once.
    """
    return load_sweep(path, overrides)


def plan(path: str | Sequence[str], locations: Locations, overrides: Sequence[str] = ()) -> Plan:
    """The runs of a sweep, and what `run` would do with each and why.

    Args:
        path: Sweep file; or several, planned in this order, so that runs they share are counted once.
        locations: The store that may have some of the runs.
        overrides: `dotted.key=value` settings on top of every file.

    Raises:
        ConfigurationError: Every problem of every file at once.
    """
    specs = _load_all([path] if isinstance(path, str) else path, overrides)
    run_ids = dict.fromkeys(run.run_id for spec in specs for run in expand(spec))
    return make_plan(specs, Store(locations.storage).states(list(run_ids)))


def _load_all(paths: Sequence[str], overrides: Sequence[str]) -> list[SweepSpec]:
    specs, problems = [], []
    for path in paths:
        try:
            specs.append(load_sweep(path, overrides))
        except ConfigurationError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigurationError(problems)
    return specs


@dataclass(frozen=True)
class RunReport:
    """One run as `status` tells it."""

    run_id: str
    name: str
    model: str
    task: str
    language_group: str
    samples_per_language: int
    seed: int
    state: str
    """waiting, interrupted, running, failed or finished."""
    progress: float
    """Optimizer steps done, as a fraction of all."""
    error: str | None


@dataclass(frozen=True)
class SweepStatus:
    """Where a sweep is."""

    sweep: str
    runs: tuple[RunReport, ...]
    eta_seconds: float | None
    """Expected seconds to the end at the pace of the finished runs; None when none has finished or none is
    running."""

    def count(self, state: str) -> int:
        return sum(run.state == state for run in self.runs)

    @property
    def complete(self) -> bool:
        return self.count("finished") == len(self.runs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def status(path: str, locations: Locations, overrides: Sequence[str] = ()) -> SweepStatus:
    """The state of every distinct run of a sweep, from the store alone."""
    spec = load_sweep(path, overrides)
    runs = expand(spec)
    store = Store(locations.storage)
    states = store.states([run.run_id for run in runs])
    told = tuple(_tell(run, states[run.run_id]) for run in runs)
    return SweepStatus(spec.name, told, _eta(runs, told, store))


def _tell(run: RunSpec, state: RunStatus) -> RunReport:
    kind = "waiting" if state.kind == "missing" else state.kind
    total = state.total_steps or run.steps
    return RunReport(
        run_id=run.run_id,
        name=run.name,
        model=run.model.name,
        task=run.task,
        language_group=run.language_group,
        samples_per_language=run.samples_per_language,
        seed=run.seed,
        state=kind,
        progress=1.0 if kind == "finished" else state.step / total,
        error=state.error,
    )


def _eta(runs: Sequence[RunSpec], told: Sequence[RunReport], store: Store) -> float | None:
    """Steps left, at the seconds per step of the finished runs, shared by the runs now running."""
    running = sum(report.state == "running" for report in told)
    seconds = steps = 0.0
    left = 0.0
    for run, report in zip(runs, told, strict=True):
        if report.state == "finished":
            result = store.run_dir(run.run_id).result()
            seconds += result.seconds.total if result is not None else 0.0
            steps += run.steps
        else:
            left += run.steps * (1 - report.progress)
    return seconds / steps * left / running if running and steps else None


def best(path: str, locations: Locations, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The chosen checkpoint of each run: step, metric, value, runners-up, and where its weights are.

    A run still training has a choice so far, marked `"final": false`; one that has not validated has none.
    """
    from clt_ray.training.checkpoints import weights_tree

    store = Store(locations.storage)
    chosen = []
    for run in expand(load_sweep(path, overrides)):
        directory = store.run_dir(run.run_id)
        selection, final = _selection(run, directory)
        chosen.append(
            {
                "run_id": run.run_id,
                "name": run.name,
                "final": final,
                "selection": selection,
                "weights": f"{directory.uri}/{weights_tree(selection['chosen']['step'])}" if selection else None,
            }
        )
    return chosen


def _selection(run: RunSpec, directory: RunDir) -> tuple[dict[str, Any] | None, bool]:
    from clt_ray.errors import RunError
    from clt_ray.training.selection import select

    result = directory.result()
    if result is not None:
        return result.selection.to_dict(), True
    points = [(point.step, point.metrics) for point in directory.metrics("validation")]
    try:
        return select(points, run.selection.metric, run.selection.mode).to_dict(), False
    except RunError:
        return None, False
