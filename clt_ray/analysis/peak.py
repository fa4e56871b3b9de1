"""The best run of a series, corrected for the optimism of picking a maximum.

The maximum of several noisy scores overestimates the score that the chosen run would have if it were trained again: the
best of eight equal runs is expected 1.4 standard deviations above their mean. A parametric bootstrap estimates this
optimism: noise is added to every run, the best run is picked again, and the mean of the noise of the picked runs is the
optimism (Efron, Journal of the American Statistical Association 78, 1983, for selected models).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clt_ray.analysis.uncertainty import Floats

DRAWS: Final = 4000
"""Number of bootstrap resamples."""


@dataclass(frozen=True)
class Peak:
    """The highest value of a series."""

    index: int
    """Index of the run in the series."""
    value: float
    """Value of the run as observed."""
    optimism: float
    """Expected amount by which the maximum overestimates the run, in the unit of the value; 0 without noise."""

    @property
    def corrected(self) -> float:
        """The value minus its optimism."""
        return self.value - self.optimism


def peak(values: Sequence[float], standard_deviation: float, seed: int = 0) -> Peak:
    """Returns the maximum of a series with its optimism.

    Args:
        values: One value per run; the first of equal maxima is the peak.
        standard_deviation: Run-to-run standard deviation of one value; NaN or 0 when there is nothing to correct for.

    Raises:
        ValueError: There are no values.
    """
    if not len(values):
        raise ValueError("a series without runs has no peak")
    observed = np.asarray(values, dtype=float)
    index = int(observed.argmax())
    optimism = 0.0
    if np.isfinite(standard_deviation) and standard_deviation > 0 and len(observed) > 1:
        resampled = add_noise(values, standard_deviation, seed)
        optimism = float((resampled - observed)[np.arange(DRAWS), resampled.argmax(axis=1)].mean())
    return Peak(index, float(observed[index]), optimism)


def add_noise(values: Sequence[float], standard_deviation: float, seed: int = 0) -> Floats:
    """Returns the values with normal noise added, shape (`DRAWS`, runs); unchanged where the noise is not known."""
    observed = np.asarray(values, dtype=float)
    scale = standard_deviation if np.isfinite(standard_deviation) else 0.0
    return observed + np.random.default_rng(seed).normal(0, scale, (DRAWS, len(observed)))


def resampled_peaks(values: Sequence[float], standard_deviation: float, seed: int = 0) -> NDArray[np.intp]:
    """Returns the index of the best run in each resample, shape (`DRAWS`,)."""
    return np.asarray(add_noise(values, standard_deviation, seed).argmax(axis=1))
