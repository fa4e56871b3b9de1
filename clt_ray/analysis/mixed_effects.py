"""Linear mixed models of a few dozen rows: fixed effects, variances of random ones, predictions with intervals.

    y = X beta + sum_k u_k + e,    u_k ~ N(0, s_k^2 K_k),    e ~ N(0, diag(known))

`K_k` says which rows share a random effect and how: for an effect per model, 1 where two rows are of one model, else 0.
Variances are estimated by REML (Patterson and Thompson, Biometrika 58, 1971), fixed effects by generalised least
squares, random ones by best linear unbiased prediction. Intervals use Student's t with the degrees of freedom that the
caller states: with few groups those are few, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import stdtrit

from clt_ray.analysis.uncertainty import CONFIDENCE_LEVEL, Floats

_SMALLEST: Final = 1e-4
"""Standard deviations are sought from this share of the spread of y upwards; below, an effect is as good as absent."""
_LARGEST: Final = 10.0


@dataclass(frozen=True)
class MixedFit:
    """A fitted model."""

    coefficients: Floats
    """Of the columns of X."""
    covariance: Floats
    """Of the coefficients."""
    deviations: tuple[float, ...]
    """Standard deviation of each random effect."""
    freedom: int
    """Degrees of freedom of intervals; with 0 there are none."""
    solved: Floats
    """V^-1 (y - X beta), shape (rows,)."""
    inverse: Floats
    """V^-1, shape (rows, rows)."""
    design: Floats
    """X."""

    def interval(self, column: int) -> tuple[float, float]:
        """95% interval of a coefficient; NaN without degrees of freedom."""
        return self._around(float(self.coefficients[column]), float(self.covariance[column, column]))

    def predict(self, row: Floats, shared: Sequence[Floats], own: Sequence[float]) -> tuple[float, float, float]:
        """A new value and its 95% interval.

        Args:
            row: Its columns of X.
            shared: Per random effect, its row of K against the fitted rows.
            own: Per random effect, its K with itself.
        """
        variances = np.square(self.deviations)
        cross = sum(variance * with_rows for variance, with_rows in zip(variances, shared, strict=True))
        value = float(row @ self.coefficients + cross @ self.solved)
        left = row - self.design.T @ self.inverse @ cross
        spread = float(variances @ np.asarray(own) - cross @ self.inverse @ cross + left @ self.covariance @ left)
        return value, *self._around(value, max(spread, 0.0))

    def _around(self, value: float, variance: float) -> tuple[float, float]:
        if self.freedom < 1:
            return float("nan"), float("nan")
        half = float(stdtrit(self.freedom, (1 + CONFIDENCE_LEVEL) / 2)) * variance**0.5
        return value - half, value + half


def fit_mixed(y: Floats, design: Floats, effects: Sequence[Floats], known: Floats, freedom: int) -> MixedFit:
    """Fit a model.

    Args:
        y: Shape (rows,).
        design: X, of full column rank, shape (rows, columns).
        effects: K of each random effect, shape (rows, rows) each.
        known: Known error variances, shape (rows,).
        freedom: Degrees of freedom of intervals.

    Raises:
        ValueError: X is not of full column rank.
    """
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("the design has columns that say the same")
    scale = float(np.std(y)) or 1.0
    bounds = [(np.log(_SMALLEST * scale), np.log(_LARGEST * scale))] * len(effects)
    # Two starts, since a variance can get stuck at its lower bound.
    found = [
        minimize(_reml, np.full(len(effects), np.log(share * scale)), (y, design, effects, known, scale),
                 method="L-BFGS-B", bounds=bounds)
        for share in (0.5, 0.05)
    ]  # fmt: skip
    deviations = np.exp(min(found, key=lambda each: float(each.fun)).x)
    inverse = np.linalg.inv(_variance(deviations, effects, known, scale))
    covariance = np.linalg.inv(design.T @ inverse @ design)
    coefficients = covariance @ design.T @ inverse @ y
    solved = inverse @ (y - design @ coefficients)
    return MixedFit(coefficients, covariance, tuple(map(float, deviations)), freedom, solved, inverse, design)


def _variance(deviations: Floats, effects: Sequence[Floats], known: Floats, scale: float) -> Floats:
    total = np.diag(known + (1e-6 * scale) ** 2)
    for deviation, effect in zip(deviations, effects, strict=True):
        total = total + deviation**2 * effect
    return np.asarray(total)


def _reml(logs: Floats, y: Floats, design: Floats, effects: Sequence[Floats], known: Floats, scale: float) -> float:
    """Minus the restricted log likelihood, up to a constant."""
    factor = cho_factor(_variance(np.exp(logs), effects, known, scale), lower=True)
    weighted = cho_solve(factor, design)
    information = design.T @ weighted
    coefficients = np.linalg.solve(information, weighted.T @ y)
    residuals = y - design @ coefficients
    log_determinant = 2 * float(np.log(np.diag(factor[0])).sum()) + float(np.linalg.slogdet(information)[1])
    return (log_determinant + float(residuals @ cho_solve(factor, residuals))) / 2


def same(keys: Sequence[object], others: Sequence[object] | None = None) -> Floats:
    """1 where two rows have equal keys, else 0; shape (rows, other rows)."""
    others = keys if others is None else others
    return np.array([[float(key == other) for other in others] for key in keys])
