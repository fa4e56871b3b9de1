"""The best run of a series, without the luck of having been picked.

The best of several noisy runs is better than it would be if it were made again: among runs that differ in nothing, the
best of eight is 1.4 standard deviations above their mean. A parametric bootstrap tells how much of a peak that is:
noise is added to every run, the best one is picked again, and what its noise was on average is the optimism (Efron,
Journal of the American Statistical Association 78, 1983, for picked models).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clt_ray.analysis.uncertainty import Floats

DRAWS: Final = 4000


@dataclass(frozen=True)
class Peak:
    """The highest value of a series."""

    index: int
    """Its place in the series."""
    value: float
    """As scored."""
    optimism: float
    """How much of it is expected to be luck, in the same unit; 0 without noise."""

    @property
    def corrected(self) -> float:
        """The value less its optimism."""
        return self.value - self.optimism


def peak(values: Sequence[float], deviation: float, seed: int = 0) -> Peak:
    """Find the peak of a series.

    Args:
        values: Of the runs; the first of equals is the peak.
        deviation: Standard deviation of one run; NaN or 0 when there is none to correct for.
        seed: Of the resampling.

    Raises:
        ValueError: No values.
    """
    if not len(values):
        raise ValueError("a series without runs has no peak")
    known = np.asarray(values, dtype=float)
    index = int(known.argmax())
    optimism = 0.0
    if np.isfinite(deviation) and deviation > 0 and len(known) > 1:
        drawn = noisy(values, deviation, seed)
        optimism = float((drawn - known)[np.arange(DRAWS), drawn.argmax(axis=1)].mean())
    return Peak(index, float(known[index]), optimism)


def noisy(values: Sequence[float], deviation: float, seed: int = 0) -> Floats:
    """The series as it might have come out, shape (`DRAWS`, runs); itself without noise."""
    known = np.asarray(values, dtype=float)
    scale = deviation if np.isfinite(deviation) else 0.0
    return known + np.random.default_rng(seed).normal(0, scale, (DRAWS, len(known)))


def repicked(values: Sequence[float], deviation: float, seed: int = 0) -> NDArray[np.intp]:
    """Places of the best run when the series is made again, shape (`DRAWS`,)."""
    return np.asarray(noisy(values, deviation, seed).argmax(axis=1))
