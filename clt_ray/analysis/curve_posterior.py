"""What a run that does not exist yet would tell: beliefs about a curve from few runs or none.

The curve is that of `saturation`: floor + rise * g(n), of either form, h unknown. Given form and h it is linear, so
with a normal prior on floor and rise the belief after any runs is a mixture of normals over a grid of (form, h), in
closed form (Bayesian linear regression: Bishop, Pattern Recognition and Machine Learning, 2006, section 3.3). The
prior is there so that a series of one run, or of none, has a belief too; intervals that are reported come from
`saturation`, which has no prior.

A run at n observes the curve there with noise variance v. With V the variance of the belief at n, it tells

    1/2 * ln(1 + V / v)  nats

(mutual information, exact for a normal belief): much where curves that fit so far disagree, little where they agree.

    >>> nothing = Belief.prior(scale=1.0, largest=5000)
    >>> after = nothing.seeing(0, 0.2, 1e-4).seeing(5000, 0.4, 1e-4)
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

from clt_ray.analysis.uncertainty import Floats

PRIOR_SPREAD: Final = 0.25
"""Prior standard deviation of floor and of rise, per range of the metric's scale: as good as anything possible."""
ITEM_SPREAD: Final = 0.3
"""Assumed standard deviation of item scores, per range of the scale, where no run has told: accuracies have at most
0.5, ROUGE and ratings 0.1 to 0.3."""
_GRID: Final = 40
_SMALLEST: Final = 1 / 500
"""Smallest h considered, per largest n."""


@dataclass(frozen=True)
class Belief:
    """A distribution over curves. Made by `prior`, moved on by `seeing`."""

    basis_half: Floats
    """h of each grid point, in samples per language, shape (grid,)."""
    basis_exponential: NDArray[np.bool_]
    """Form of each grid point."""
    precision: Floats
    """Of (floor, rise) at each grid point, shape (grid, 2, 2)."""
    pull: Floats
    """Precision times mean, shape (grid, 2)."""

    @classmethod
    def prior(cls, scale: float, largest: float, middle: float = 0.0) -> Belief:
        """The belief before any run.

        Args:
            scale: Range of the metric's scale.
            largest: Largest samples per language of interest, above 0.
            middle: Expected score at n = 0.
        """
        half = np.geomspace(_SMALLEST * largest, largest, _GRID)
        precision = np.tile(np.eye(2) / (PRIOR_SPREAD * scale) ** 2, (2 * _GRID, 1, 1))
        pull = precision @ np.array([middle, 0.0])
        return cls(np.concatenate([half, half]), np.repeat([False, True], _GRID), precision, pull)

    def seeing(self, samples: float, score: float, variance: float) -> Belief:
        """The belief after a run at n with this score, known with this error variance."""
        row = self._row(samples)
        precision = self.precision + row[:, :, None] * row[:, None, :] / variance
        return Belief(self.basis_half, self.basis_exponential, precision, self.pull + row * score / variance)

    def predict(self, samples: float) -> tuple[float, float]:
        """Mean and variance of the score at n."""
        middle, _, variance = self._moments(samples, samples)
        return middle, variance

    def _moments(self, one: float, other: float) -> tuple[float, float, float]:
        """Means of the scores at two n, and their covariance."""
        rows = self._row(one), self._row(other)
        covariance = np.linalg.inv(self.precision)
        first, second = (np.einsum("ki,kij,kj->k", row, covariance, self.pull) for row in rows)
        shared = np.einsum("ki,kij,kj->k", rows[0], covariance, rows[1])
        weights = self._weights(covariance)
        means = float(weights @ first), float(weights @ second)
        return *means, float(weights @ (shared + (first - means[0]) * (second - means[1])))

    def information(self, samples: float, variance: float) -> float:
        """Expected information of a run at n with this error variance, in nats."""
        return log1p(self.predict(samples)[1] / variance) / 2

    def information_about(self, score_at: float, samples: float, variance: float) -> float:
        """Expected information of a run at n about the score at another n, in nats."""
        total = self.predict(samples)[1] + variance
        shared = self._moments(samples, score_at)[2]
        correlation = shared**2 / (total * self.predict(score_at)[1])
        return -log1p(-min(correlation, 1 - 1e-12)) / 2

    def _row(self, samples: float) -> Floats:
        ratio = samples / self.basis_half
        shape = np.where(self.basis_exponential, -np.expm1(-ratio), ratio / (1 + ratio))
        return np.stack([np.ones_like(shape), shape], axis=1)

    def _weights(self, covariance: Floats) -> Floats:
        """Probability of each grid point, from the evidence of the runs seen."""
        evidence = np.einsum("ki,kij,kj->k", self.pull, covariance, self.pull)
        return np.asarray(softmax((evidence - np.linalg.slogdet(self.precision)[1]) / 2))


def item_variance(scale: float, items: int) -> float:
    """Assumed error variance of a mean over this many items, for a metric of which no run is known."""
    return (ITEM_SPREAD * scale) ** 2 / max(items, 1)
