"""Linear mixed-effects models for a few dozen rows, with known error variances.

    y = X beta + sum_k u_k + e,    u_k ~ N(0, s_k^2 K_k),    e ~ N(0, diag(known))

`K_k` states how rows share the random effect k: for an effect per language, it is 1 where two rows belong to the same
language and 0 elsewhere. The standard deviations s_k are estimated by restricted maximum likelihood (REML; Patterson
and Thompson, Biometrika 58, 1971), and fixed effects by generalised least squares. Intervals use Student's t
distribution with degrees of freedom that the caller states, because with few groups they are few, however many rows
there are. Known error variances of single rows and arbitrary K_k are what common libraries for mixed-effects models
lack.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from clt_ray.analysis.uncertainty import Floats, t_quantile

_SMALLEST: Final = 1e-4
"""Lower bound of the standard deviations, relative to that of y; a smaller effect is negligible."""
_LARGEST: Final = 10.0
"""Upper bound of the standard deviations, relative to that of y."""


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed-effects model."""

    coefficients: Floats
    """Fixed effects: one coefficient per column of X."""
    covariance: Floats
    """Covariance matrix of the coefficients."""
    standard_deviations: tuple[float, ...]
    """Standard deviation of each random effect."""
    degrees_of_freedom: int
    """Degrees of freedom of the intervals; there are no intervals for 0 or fewer."""

    def interval(self, column: int) -> tuple[float, float]:
        """Returns the 95% interval of a coefficient; NaN twice without degrees of freedom."""
        if self.degrees_of_freedom < 1:
            return nan, nan
        half_width = t_quantile(self.degrees_of_freedom) * float(self.covariance[column, column]) ** 0.5
        return float(self.coefficients[column]) - half_width, float(self.coefficients[column]) + half_width


def fit_mixed(y: Floats, design: Floats, effects: Sequence[Floats], known: Floats, degrees_of_freedom: int) -> MixedFit:
    """Fits a mixed-effects model.

    Args:
        y: Observations, shape (rows,).
        design: The design matrix X, of full column rank, shape (rows, columns).
        effects: The matrix K of each random effect, shape (rows, rows) each.
        known: Known error variances of the observations, shape (rows,).

    Raises:
        ValueError: The columns of X are linearly dependent.
    """
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("the columns of the design matrix are linearly dependent")
    scale = float(np.std(y)) or 1.0
    bounds = [(np.log(_SMALLEST * scale), np.log(_LARGEST * scale))] * len(effects)
    # Two starting points, because the optimiser can get stuck where a variance is at its lower bound.
    optima = [
        minimize(_reml, np.full(len(effects), np.log(share * scale)), (y, design, effects, known, scale),
                 method="L-BFGS-B", bounds=bounds)
        for share in (0.5, 0.05)
    ]  # fmt: skip
    deviations = np.exp(min(optima, key=lambda optimum: float(optimum.fun)).x)
    inverse = np.linalg.inv(_variance(deviations, effects, known, scale))
    covariance = np.linalg.inv(design.T @ inverse @ design)
    coefficients = covariance @ design.T @ inverse @ y
    return MixedFit(coefficients, covariance, tuple(map(float, deviations)), degrees_of_freedom)


def _variance(deviations: Floats, effects: Sequence[Floats], known: Floats, scale: float) -> Floats:
    total = np.diag(known + (1e-6 * scale) ** 2)
    for deviation, effect in zip(deviations, effects, strict=True):
        total = total + deviation**2 * effect
    return np.asarray(total)


def _reml(
    log_deviations: Floats, y: Floats, design: Floats, effects: Sequence[Floats], known: Floats, scale: float
) -> float:
    """Returns minus the restricted log likelihood, up to a constant."""
    factor = cho_factor(_variance(np.exp(log_deviations), effects, known, scale), lower=True)
    weighted = cho_solve(factor, design)
    information = design.T @ weighted
    coefficients = np.linalg.solve(information, weighted.T @ y)
    residuals = y - design @ coefficients
    log_determinant = 2 * float(np.log(np.diag(factor[0])).sum()) + float(np.linalg.slogdet(information)[1])
    return (log_determinant + float(residuals @ cho_solve(factor, residuals))) / 2


def same(keys: Sequence[object]) -> Floats:
    """Returns a matrix that is 1 where two rows have equal keys and 0 elsewhere, shape (rows, rows)."""
    return np.array([[float(key == other) for other in keys] for key in keys])
