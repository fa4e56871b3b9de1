"""Selects which missing run of a sweep to execute next, and which runs are dispensable.

**Contract.** A run observes one curve per task: that of its model, mixture and language group. A run at n = 0 observes
the origin of the curve of every group. The scores so far give each curve a `CurvePosterior`. The next run is the one
with the largest expected information per unit of cost, summed over the curves that it observes. Runs that are under way
count as if they had their expected scores, so that parallel runs do not measure the same thing.

A curve is *settled* when the upper end of the interval of its fitted plateau is at most the second largest n that was
run, so that two sizes lie on the plateau. A waiting run beyond this end of all curves that it observes is dispensable.

**Example.** With the sizes 0, 100, 400 and 5000 at equal cost, the first runs of a curve are its ends, 5000 and 0, and
then a middle one. If 5000 costs twenty times as much as 100, it comes last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite, sqrt
from typing import Final

import numpy as np

from clt_ray.analysis.advice import TOLERANCE
from clt_ray.analysis.needed_runs import CurvePosterior, assumed_item_variance
from clt_ray.analysis.saturation import NOT_SATURATING, TOO_SHORT, Series, saturation

RUN_SPREAD: Final = 0.01
"""Assumed run-to-run standard deviation as a share of the metric's scale. The reference study has three runs of each
model in English alone: they give 0.004 in summarization, 0.014 in instruction following and 0.019 in math."""

CurveKey = tuple[str, str, str, str]
"""Model, mixture, task, and language group with its training languages."""


@dataclass(frozen=True)
class Candidate:
    """A run of the sweep, reduced to what decides its place in the order."""

    run_id: str
    model: str
    tasks: tuple[str, ...]
    languages: str
    """Language group and its training languages; empty at n = 0."""
    samples: int
    """Samples per language."""
    cost: float
    """Chip-hours or a quantity proportional to them; above 0."""
    items: int
    """Number of test items behind the mean score of a task."""


@dataclass(frozen=True)
class Observation:
    """The mean score of a finished run in one task."""

    score: float
    """Score as a share of the metric's scale, from 0 to 1."""
    variance: float
    """Sampling variance of the score on that scale; NaN where it is not known."""


Observed = Mapping[str, Mapping[str, Observation]]
"""Observations by run id and task."""


class SweepCurves:
    """The curves of a sweep, over all of its runs, including the finished ones."""

    def __init__(self, runs: Iterable[Candidate]) -> None:
        self.runs = {run.run_id: run for run in runs}
        self._largest: dict[CurveKey, int] = {}
        for run in self.runs.values():
            for key in self._keys_of_group(run):
                self._largest[key] = max(self._largest.get(key, 0), run.samples)
        self._keys_by_family: dict[tuple[str, str, str], list[CurveKey]] = {}
        for key in self._largest:
            if key[3]:
                self._keys_by_family.setdefault(key[:3], []).append(key)

    @staticmethod
    def _keys_of_group(run: Candidate) -> list[CurveKey]:
        return [(run.model, "+".join(run.tasks), task, run.languages) for task in run.tasks]

    def observed_by(self, run: Candidate) -> list[CurveKey]:
        """Returns the curves that a run observes; a run at n = 0 observes those of all language groups."""
        keys = self._keys_of_group(run)
        return keys if run.samples else [curve for key in keys for curve in self._keys_by_family.get(key[:3], [key])]

    def posteriors(self, observed: Observed, under_way: Iterable[str] = ()) -> dict[CurveKey, CurvePosterior]:
        """Returns the posterior of each curve; runs under way count as if they had their expected scores."""
        keys = {key for run in self.runs.values() for key in self.observed_by(run)}
        posteriors = {key: CurvePosterior.prior(1.0, max(self._largest[key], 1), 0.5) for key in keys}
        for run_id, observations in observed.items():
            run = self.runs[run_id]
            for key in self.observed_by(run):
                if key[2] in observations:
                    observation = observations[key[2]]
                    known = isfinite(observation.variance)
                    variance = observation.variance + RUN_SPREAD**2 if known else _assumed_variance(run)
                    posteriors[key] = posteriors[key].updated(run.samples, observation.score, variance)
        for run_id in under_way:
            run = self.runs[run_id]
            for key in self.observed_by(run):
                expected = posteriors[key].predict(run.samples)[0]
                posteriors[key] = posteriors[key].updated(run.samples, expected, _assumed_variance(run))
        return posteriors

    def series(self, key: CurveKey, observed: Observed) -> Series:
        """Returns the series of the finished runs of a curve, averaged over seeds."""
        by_size: dict[int, list[Observation]] = {}
        for run_id, observations in observed.items():
            run = self.runs[run_id]
            if key[2] in observations and key in self.observed_by(run):
                by_size.setdefault(run.samples, []).append(observations[key[2]])
        sizes = sorted(by_size)
        scores = tuple(float(np.mean([item.score for item in by_size[n]])) for n in sizes)
        errors = tuple(sqrt(sum(item.variance for item in by_size[n])) / len(by_size[n]) for n in sizes)
        return Series(tuple(sizes), scores, errors)


def next_run(
    curves: SweepCurves, waiting: Sequence[str], observed: Observed, under_way: Iterable[str] = ()
) -> str | None:
    """Returns the id of the waiting run with the largest expected information per unit of cost, the first of equals."""
    posteriors = curves.posteriors(observed, under_way)
    best, most = None, 0.0
    for run_id in waiting:
        run = curves.runs[run_id]
        keys, variance = curves.observed_by(run), _assumed_variance(run)
        information = sum(posteriors[key].information(run.samples, variance) for key in keys)
        if best is None or information / run.cost > most * (1 + 1e-9):
            best, most = run_id, information / run.cost
    return best


def dispensable(curves: SweepCurves, waiting: Sequence[str], observed: Observed) -> dict[str, str]:
    """Returns the waiting runs beyond the plateaus of settled curves, each with the reason as a clause."""
    plateau_end = cache(lambda key: _settled_from(curves.series(key, observed)))
    reasons = {}
    for run_id in waiting:
        run = curves.runs[run_id]
        end = max(map(plateau_end, curves.observed_by(run)))
        if run.samples and run.samples > end:
            reasons[run_id] = f"beyond the plateau, which ends by n = {end:,.0f} (tolerance {TOLERANCE:g} of the scale)"
    return reasons


def _settled_from(series: Series) -> float:
    if len(series.samples) < 2:
        return inf
    fit = saturation(series, TOLERANCE)
    settled = fit.verdict not in (TOO_SHORT, NOT_SATURATING) and fit.plateau.high <= series.samples[-2]
    return fit.plateau.high if settled else inf


def _assumed_variance(run: Candidate) -> float:
    return assumed_item_variance(1.0, run.items) + RUN_SPREAD**2
