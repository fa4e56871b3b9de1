"""Which missing run of a sweep to execute next, and which need not be executed at all.

**Contract.** A run observes one curve per task: that of its model, mixture and language group. A run at n = 0 observes
the start of every group's curve. From the scores so far each curve has a `Belief`; the next run is the one with the
most expected information, summed over the curves it observes, per unit of cost. Runs that are under way count as if
they came out as expected, so that several at a time do not ask the same thing.

A curve is *settled* when its fitted plateau, at the upper end of its interval, is no larger than the second largest n
that was run: at least two sizes then lie on the plateau. A waiting run beyond that upper end, whose curves are all
settled, is dispensable.

**Example.** On the sizes 0, 100, 400, 5000 at equal cost the first runs of a curve are 5000 and 0, its ends, then a
middle one. Where 5000 costs twenty times as much as 100, it comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Final

import numpy as np

from clt_ray.analysis.advice import TOLERANCE
from clt_ray.analysis.curve_posterior import Belief, item_variance
from clt_ray.analysis.saturation import NOT_SATURATING, TOO_SHORT, saturation
from clt_ray.analysis.series import Series

RUN_SPREAD: Final = 0.01
"""Assumed standard deviation between runs that differ in nothing, per range of the scale. The reference study has the
English-only runs of one model three times: 0.004 in summarization, 0.014 in instruction following, 0.019 in math."""

CurveKey = tuple[str, str, str, str]
"""Model, mixture, task, language group with its languages."""


@dataclass(frozen=True)
class Candidate:
    """A run of the sweep, as far as its order matters."""

    run_id: str
    model: str
    tasks: tuple[str, ...]
    languages: str
    """Language group and its training languages; empty at n = 0."""
    samples: int
    """Samples per language."""
    cost: float
    """Chip-hours, or anything in proportion to them; above 0."""
    items: int
    """Test items behind the mean score of a task."""


@dataclass(frozen=True)
class Observation:
    """The mean score of a finished run in one task."""

    score: float
    """As a share of the metric's range, 0 to 1."""
    variance: float
    """Sampling error variance, on that scale; NaN where it is not known."""


Observed = Mapping[str, Mapping[str, Observation]]
"""Observations by run id and task."""


@dataclass(frozen=True)
class Choice:
    """The run to execute next."""

    run_id: str
    information: float
    """Expected, in nats."""
    per_cost: float
    """The same per unit of cost."""


class Curves:
    """The curves of a sweep, over all of its runs, finished ones included."""

    def __init__(self, runs: Iterable[Candidate]) -> None:
        self.runs = {run.run_id: run for run in runs}
        self._largest: dict[CurveKey, int] = {}
        for run in self.runs.values():
            for key in self._own(run):
                self._largest[key] = max(self._largest.get(key, 0), run.samples)
        families: dict[tuple[str, str, str], list[CurveKey]] = {}
        for key in self._largest:
            if key[3]:
                families.setdefault(key[:3], []).append(key)
        self._families = families

    @staticmethod
    def _own(run: Candidate) -> list[CurveKey]:
        return [(run.model, "+".join(run.tasks), task, run.languages) for task in run.tasks]

    def of(self, run: Candidate) -> list[CurveKey]:
        """The curves that a run observes."""
        own = self._own(run)
        return own if run.samples else [curve for key in own for curve in self._families.get(key[:3], [key])]

    def beliefs(self, observed: Observed, under_way: Iterable[str] = ()) -> dict[CurveKey, Belief]:
        """What is believed of each curve."""
        found = {key: Belief.prior(1.0, max(self._largest[key], 1), 0.5) for run in self.runs.values()
                 for key in self.of(run)}  # fmt: skip
        for run_id, tasks in observed.items():
            run = self.runs[run_id]
            for key in self.of(run):
                if key[2] in tasks:
                    seen = tasks[key[2]]
                    variance = seen.variance if isfinite(seen.variance) else item_variance(1.0, run.items)
                    found[key] = found[key].seeing(run.samples, seen.score, variance + RUN_SPREAD**2)
        for run_id in under_way:
            run = self.runs[run_id]
            for key in self.of(run):
                expected = found[key].predict(run.samples)[0]
                found[key] = found[key].seeing(run.samples, expected, _variance(run))
        return found

    def series(self, key: CurveKey, observed: Observed) -> Series:
        """The finished part of a curve, seeds averaged."""
        at: dict[int, list[Observation]] = {}
        for run_id, tasks in observed.items():
            run = self.runs[run_id]
            if key[2] in tasks and key in self.of(run):
                at.setdefault(run.samples, []).append(tasks[key[2]])
        sizes = sorted(at)
        scores = tuple(float(np.mean([each.score for each in at[n]])) for n in sizes)
        errors = tuple(sqrt(sum(each.variance for each in at[n])) / len(at[n]) for n in sizes)
        return Series(tuple(sizes), scores, errors)


def next_run(
    curves: Curves, waiting: Sequence[str], observed: Observed, under_way: Iterable[str] = ()
) -> Choice | None:
    """The waiting run that is expected to tell most per unit of cost; of equals, the first. None when none waits."""
    beliefs = curves.beliefs(observed, under_way)
    best: Choice | None = None
    for run_id in waiting:
        run = curves.runs[run_id]
        told = sum(beliefs[key].information(run.samples, _variance(run)) for key in curves.of(run))
        if best is None or told / run.cost > best.per_cost * (1 + 1e-9):
            best = Choice(run_id, told, told / run.cost)
    return best


def dispensable(
    curves: Curves, waiting: Sequence[str], observed: Observed, tolerance: float = TOLERANCE
) -> dict[str, str]:
    """Waiting runs beyond the plateau of curves that are all settled, each with the reason as a clause."""
    ends: dict[CurveKey, float] = {}
    found = {}
    for run_id in waiting:
        run = curves.runs[run_id]
        keys = curves.of(run)
        for key in keys:
            if key not in ends:
                ends[key] = _settled_from(curves.series(key, observed), tolerance)
        if run.samples and all(run.samples > ends[key] for key in keys):
            end = max(ends[key] for key in keys)
            found[run_id] = f"beyond the plateau, which ends by n = {end:,.0f} (tolerance {tolerance:g} of the scale)"
    return found


def _settled_from(series: Series, tolerance: float) -> float:
    """Upper end of the plateau's interval if the curve is settled, else infinite."""
    if len(series.samples) < 2:
        return float("inf")
    fit = saturation(series, tolerance)
    settled = fit.verdict not in (TOO_SHORT, NOT_SATURATING) and fit.plateau.high <= series.samples[-2]
    return fit.plateau.high if settled else float("inf")


def _variance(run: Candidate) -> float:
    return item_variance(1.0, run.items) + RUN_SPREAD**2
