"""The pilot of a sweep: its extreme runs, shortened, to see at a small price what the full sweep will cost.

A pilot trains the smallest and the largest run of every model and task for two validations. It is a sweep of its own
name and its runs have identities of their own, so it never passes for the full sweep.

    pilot run                        measured: seconds per step s, seconds of training t over k steps and 2 validations,
                                     seconds of evaluation e
    full run of the same kind        steps x s  +  validations / 2 x (t - k x s)  +  e

The rest of the time (validation, checkpoints, loading) is scaled with the validations, which overestimates loading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from clt_ray.sweep.cost import SECONDS_PER_HOUR, chip_hours, training_tokens
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import SweepSpec

if TYPE_CHECKING:
    from clt_ray.opened import OpenSweep
    from clt_ray.store import PeakMemory, Store

SUFFIX = "-pilot"
"""End of the name of a pilot, which is a sweep of its own in MLflow and in the reports."""
VALIDATIONS = 2
"""Validations of a pilot run: one, and the next after the first resumable checkpoint."""


def shortened(spec: SweepSpec) -> SweepSpec:
    """Returns the specification of a sweep's pilot: another name, and at most two validations per run."""
    steps = VALIDATIONS * spec.training.eval_every
    training = spec.training.model_copy(update={"max_steps": min(spec.training.max_steps or steps, steps)})
    return spec.model_copy(update={"name": f"{spec.name}{SUFFIX}", "training": training})


def is_extreme(runs: Sequence[RunSpec]) -> Callable[[RunSpec], bool]:
    """Returns a test for the runs of a pilot: the first and the last of each model and task, in the grid's order."""
    groups: dict[tuple[str, str], list[RunSpec]] = {}
    for run in runs:
        groups.setdefault((run.model.name, run.task), []).append(run)
    chosen = {run.run_id for group in groups.values() for run in (group[0], group[-1])}
    return lambda run: run.run_id in chosen


@dataclass(frozen=True)
class PilotMeasurement:
    """What the pilot runs of one model and task measured."""

    model: str
    task: str
    """Task, or tasks joined by `+`."""
    runs: int
    """Finished pilot runs that were measured."""
    step_seconds: float
    """Seconds per optimizer step, without validation and checkpoints: the median over logged intervals."""
    planned_step_seconds: float | None
    """The plan's estimate of the same; None where there is none, such as on CPUs."""
    tokens_per_second: float
    """Tokens trained on per second, padding not counted: the median over logged intervals."""
    host_memory_bytes: int | None
    """Largest resident set of a training process; None where it was not recorded."""
    device_memory_bytes: int | None
    """Largest memory of one accelerator device; None on CPUs."""


@dataclass(frozen=True)
class PilotSummary:
    """What a finished pilot showed, and what the full sweep will take by it."""

    sweep: str
    """Name of the full sweep."""
    measurements: tuple[PilotMeasurement, ...]
    full_runs: int
    full_run_hours: float
    """Hours of all full runs together, were they to run one after the other."""
    full_chip_hours: float | None
    """Accelerator-hours of the full sweep; None on CPUs."""


@dataclass(frozen=True)
class _RunCost:
    step_seconds: float
    tokens_per_second: float
    validation_seconds: float
    """Seconds of training beyond the steps, per validation."""
    evaluation_seconds: float
    peak_memory: PeakMemory | None


def summarise(pilot: OpenSweep) -> PilotSummary:
    """Summarises a sweep opened with `pilot=True`; raises `ValueError` for others, and if a run is not finished."""
    if pilot.pilot_of is None:
        raise ValueError(f"{pilot.name} is not a pilot")
    full = pilot.pilot_of
    costs: dict[tuple[str, str], list[_RunCost]] = {}
    for run in pilot.runs:
        costs.setdefault((run.model.name, run.task), []).append(_run_cost(run, pilot.store))
    seconds = {run.run_id: _full_seconds(run, costs[run.model.name, run.task]) for run in full.runs}
    on_accelerators = any(run.hardware.chips for run in full.runs)
    chip_seconds = sum(seconds[run.run_id] * run.hardware.chips for run in full.runs)
    hours, on_chips = sum(seconds.values()) / SECONDS_PER_HOUR, chip_seconds / SECONDS_PER_HOUR
    measurements = tuple(_measurement(key, costs[key], pilot.runs) for key in costs)
    return PilotSummary(
        sweep=full.name, measurements=measurements, full_runs=len(full.runs), full_run_hours=hours,
        full_chip_hours=on_chips if on_accelerators else None,
    )  # fmt: skip


def _run_cost(run: RunSpec, store: Store) -> _RunCost:
    directory = store.run_dir(run.run_id)
    result = directory.result()
    if result is None:
        raise ValueError(f"{run.name} is not finished")
    logged = [point.metrics for point in directory.metrics("train")]
    step_seconds = _median_of(logged, "perf/step_seconds")
    tokens_per_second = _median_of(logged, "perf/tokens_per_second")
    validation_seconds = max(result.seconds.train - step_seconds * run.steps, 0.0) / VALIDATIONS
    return _RunCost(step_seconds, tokens_per_second, validation_seconds, result.seconds.evaluate, result.peak_memory)


def _median_of(logged: Sequence[Mapping[str, float]], metric: str) -> float:
    values = [metrics[metric] for metrics in logged if metric in metrics]
    return median(values) if values else 0.0


def _full_seconds(run: RunSpec, costs: Sequence[_RunCost]) -> float:
    validations = -(-run.steps // run.training.eval_every)
    return (
        run.steps * fmean(cost.step_seconds for cost in costs)
        + validations * fmean(cost.validation_seconds for cost in costs)
        + fmean(cost.evaluation_seconds for cost in costs)
    )


def _measurement(key: tuple[str, str], costs: Sequence[_RunCost], runs: Sequence[RunSpec]) -> PilotMeasurement:
    group = [run for run in runs if (run.model.name, run.task) == key]
    hours = ((run, chip_hours(run, training_tokens(run))) for run in group)
    planned = [count * SECONDS_PER_HOUR / run.hardware.chips / run.steps for run, count in hours if count is not None]
    peaks = [cost.peak_memory for cost in costs if cost.peak_memory]
    return PilotMeasurement(
        *key, len(costs), step_seconds=fmean(cost.step_seconds for cost in costs),
        planned_step_seconds=fmean(planned) if planned else None,
        tokens_per_second=fmean(cost.tokens_per_second for cost in costs),
        host_memory_bytes=max((peak.host_bytes for peak in peaks if peak.host_bytes is not None), default=None),
        device_memory_bytes=max((peak.device_bytes for peak in peaks if peak.device_bytes is not None), default=None),
    )  # fmt: skip
