"""The further runs that are most informative about a curve, by the Bayesian posterior of a saturating curve.

The curve is that of `saturation`: floor + rise * g(n) of either form, with unknown h. For a fixed form and h it is
linear in floor and rise. With a normal prior on both, the posterior after any runs is a mixture of normal distributions
over a grid of forms and values of h, in closed form (Bayesian linear regression: Bishop, Pattern Recognition and
Machine Learning, 2006, section 3.3). The prior makes the posterior exist for a series of one run or none. Reported
intervals do not use it: they come from `saturation`, which has no prior.

A run at n has noise variance v. If V is the posterior variance of the score at n, its expected information is

    1/2 * ln(1 + V / v)  nats

(mutual information, exact for a normal posterior). It is large where curves that fit so far disagree.

    >>> nothing = CurvePosterior.prior(scale=1.0, largest=5000)
    >>> after = nothing.updated(0, 0.2, 1e-4).updated(5000, 0.4, 1e-4)
    >>> nothing.information(0, 1e-4) > after.information(200, 1e-4) > after.information(0, 1e-4)
    True
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.saturation import TOO_SHORT, Saturation, shape
from clt_ray.analysis.study import NO_GROUP, Curve
from clt_ray.analysis.uncertainty import Floats
from clt_ray.tasks import TASKS

PRIOR_SPREAD: Final = 0.25
"""Prior standard deviation of floor and of rise as a share of the metric's scale, wide enough for any real curve."""
ITEM_SPREAD: Final = 0.3
"""Assumed standard deviation of item scores as a share of the metric's scale, used where no run is finished. It is at
most 0.5 for accuracies, and 0.1 to 0.3 for ROUGE and ratings."""
_GRID: Final = 40
"""Number of values of h per form."""
_SMALLEST: Final = 1 / 500
"""Smallest h of the grid relative to the largest n."""


@dataclass(frozen=True)
class CurvePosterior:
    """A distribution over saturating curves. Start with `prior` and condition on runs with `updated`."""

    basis_half: Floats
    """The parameter h of each grid point, in samples per language, shape (grid,)."""
    basis_exponential: NDArray[np.bool_]
    """Whether the form of each grid point is the exponential one, shape (grid,)."""
    precision: Floats
    """Precision matrix of (floor, rise) at each grid point, shape (grid, 2, 2)."""
    precision_mean: Floats
    """Precision matrix times the mean of (floor, rise), shape (grid, 2)."""

    @classmethod
    def prior(cls, scale: float, largest: float, middle: float = 0.0) -> CurvePosterior:
        """Returns the distribution before any run.

        Args:
            scale: Range of the metric's scale.
            largest: Largest number of samples per language of interest, above 0.
            middle: Expected score at n = 0.
        """
        half = np.geomspace(_SMALLEST * largest, largest, _GRID)
        precision = np.tile(np.eye(2) / (PRIOR_SPREAD * scale) ** 2, (2 * _GRID, 1, 1))
        precision_mean = precision @ np.array([middle, 0.0])
        return cls(np.concatenate([half, half]), np.repeat([False, True], _GRID), precision, precision_mean)

    def updated(self, samples: float, score: float, variance: float) -> CurvePosterior:
        """Returns the distribution conditioned on a run at n samples with this score and error variance."""
        row = self._basis(samples)
        precision = self.precision + row[:, :, None] * row[:, None, :] / variance
        precision_mean = self.precision_mean + row * score / variance
        return CurvePosterior(self.basis_half, self.basis_exponential, precision, precision_mean)

    def predict(self, samples: float) -> tuple[float, float]:
        """Returns mean and variance of the score at n samples."""
        expected, _, variance = self._moments(samples, samples)
        return expected, variance

    def _moments(self, first_samples: float, second_samples: float) -> tuple[float, float, float]:
        rows = self._basis(first_samples), self._basis(second_samples)
        covariance = np.linalg.inv(self.precision)
        first, second = (np.einsum("ki,kij,kj->k", row, covariance, self.precision_mean) for row in rows)
        within = np.einsum("ki,kij,kj->k", rows[0], covariance, rows[1])
        weights = self._weights(covariance)
        means = float(weights @ first), float(weights @ second)
        return *means, float(weights @ (within + (first - means[0]) * (second - means[1])))

    def information(self, samples: float, variance: float) -> float:
        """Returns the expected information of a run at n samples with this error variance, in nats."""
        return log1p(self.predict(samples)[1] / variance) / 2

    def information_about(self, score_at: float, samples: float, variance: float) -> float:
        """Returns the expected information of a run at n samples about the score at `score_at` samples, in nats."""
        total = self.predict(samples)[1] + variance
        covariance = self._moments(samples, score_at)[2]
        squared_correlation = covariance**2 / (total * self.predict(score_at)[1])
        return -log1p(-min(squared_correlation, 1 - 1e-12)) / 2

    def _basis(self, samples: float) -> Floats:
        """Returns the coefficients of (floor, rise) in the score at n samples, shape (grid, 2)."""
        reached = shape(samples / self.basis_half, self.basis_exponential)
        return np.stack([np.ones_like(reached), reached], axis=1)

    def _weights(self, covariance: Floats) -> Floats:
        """Returns the posterior probability of each grid point, from the marginal likelihood of the runs."""
        evidence = np.einsum("ki,kij,kj->k", self.precision_mean, covariance, self.precision_mean)
        return np.asarray(softmax((evidence - np.linalg.slogdet(self.precision)[1]) / 2))


def assumed_item_variance(scale: float, items: int) -> float:
    """Returns the assumed error variance of a mean over this many items, for a metric without a finished run."""
    return (ITEM_SPREAD * scale) ** 2 / max(items, 1)


LADDER: Final = (0, 100, 400, 1000, 5000)
"""Samples per language proposed for a series without runs: the origin, and sizes at which a fit is well determined."""
ALL: Final = "all"
"""Language group proposed for a series without runs."""
MOST: Final = 4
"""Largest number of runs proposed per series."""
_ITEMS: Final = 250 * 7
"""Assumed number of test items behind a mean score: that of the reference study."""


@dataclass(frozen=True)
class NeededRun:
    """The axis values of a run that does not exist yet."""

    model: str
    task: str
    """Tasks of the run, joined by "+"."""
    language_group: str
    samples_per_language: int
    seed: int


@dataclass(frozen=True)
class Question:
    """The question that further runs are to answer."""

    task: str
    model: str
    setting: str | None
    """`single`, `multi`, or None for either; used only for a series without runs."""
    scale: float = 1.0
    """Range of the metric's scale, in its stored unit."""
    target: float | None = None
    """Score to reach. With a target, runs are chosen for what they tell about the score at the largest n."""


def needed_runs(question: Question, curve: Curve | None = None, fit: Saturation | None = None) -> list[NeededRun]:
    """Returns the most informative further runs of a series, in ascending order of samples per language.

    Returns:
        For a series without runs, or one too short for a fit, the sizes of `LADDER` that it lacks. For other series,
        further seeds of existing sizes or a size beyond the largest, whichever are most informative.
    """
    if curve is None or fit is None:
        tasks = {question.task, *TASKS} if question.setting == "multi" else {question.task}
        mixture = "+".join(sorted(tasks, key=task_order))
        return [NeededRun(question.model, mixture, ALL if n else NO_GROUP, n, 0) for n in LADDER]
    sizes, seeds = list(fit.series.samples), [seed for point in curve.points for seed in point.seeds]
    if fit.verdict == TOO_SHORT:
        missing = [n for n in LADDER if n not in sizes]
        return [_run_of_curve(curve, n, min(seeds, default=0)) for n in missing[:MOST]]
    beyond = [] if fit.plateau.is_established and question.target is None else [2 * sizes[-1]]
    chosen = sorted(_most_informative(fit, [*sizes, *beyond], question))
    first_seed = {n: max(seeds) + 1 if n in sizes else min(seeds) for n in chosen}
    return [_run_of_curve(curve, n, first_seed[n] + chosen[:index].count(n)) for index, n in enumerate(chosen)]


def _most_informative(fit: Saturation, candidates: list[int], question: Question) -> list[int]:
    """Returns `MOST` sizes by greedy selection: each adds the most information to those chosen before it."""
    series = fit.series
    if series.has_stderr:
        sampling_variance = float(np.mean(np.square(series.stderr)))
    else:
        # The scatter of the runs around the fit already includes their sampling error.
        sampling_variance = 0.0 if fit.noise > 0 else assumed_item_variance(question.scale, _ITEMS)
    variance = sampling_variance + fit.noise**2
    posterior = CurvePosterior.prior(question.scale, candidates[-1], series.scores[0])
    for n, score in zip(series.samples, series.scores, strict=True):
        posterior = posterior.updated(n, score, variance)
    chosen: list[int] = []
    for _ in range(MOST):
        information = {
            n: posterior.information(n, variance)
            if question.target is None
            else posterior.information_about(candidates[-1], n, variance)
            for n in candidates
        }
        best = max(information, key=information.__getitem__)
        chosen.append(best)
        posterior = posterior.updated(best, posterior.predict(best)[0], variance)
    return chosen


def _run_of_curve(curve: Curve, samples: int, seed: int) -> NeededRun:
    return NeededRun(curve.model, curve.mixture, curve.language_group if samples else NO_GROUP, samples, seed)
