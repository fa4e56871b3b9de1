"""A series: mean score against samples per language for one curve, with the sampling error of each score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from clt_ray.analysis.study import NON_ENGLISH, Curve, Study
from clt_ray.analysis.uncertainty import Floats

RESAMPLES: Final = 1000
"""Number of resamples of a series that has standard errors but no item resamples."""


@dataclass(frozen=True)
class Series:
    """Mean scores of the runs of a curve, in ascending order of samples per language."""

    samples: tuple[int, ...]
    """Samples per non-English language, distinct and ascending."""
    scores: tuple[float, ...]
    """Mean score at each number of samples, in the metric's stored unit."""
    stderr: tuple[float, ...]
    """Standard error of each score from the sampling of test items; NaN where it is not known."""
    draws: Floats | None = field(default=None, compare=False, repr=False)
    """Scores in each bootstrap resample of the test items, shape (resamples, points), paired over points; with None,
    resamples are drawn from a normal distribution with `stderr`."""
    runs: tuple[tuple[str, ...], ...] = ()
    """Run ids of each point."""

    def __post_init__(self) -> None:
        sizes = {len(self.samples), len(self.scores), len(self.stderr)}
        if len(sizes) != 1 or list(self.samples) != sorted(set(self.samples)):
            raise ValueError(
                "a series needs distinct ascending samples with one score and one standard error each: samples "
                f"{self.samples}, {len(self.scores)} scores, {len(self.stderr)} standard errors"
            )

    @classmethod
    def of(cls, study: Study, curve: Curve, languages: Sequence[str] | str = NON_ENGLISH) -> Series:
        """Returns the series of a curve's mean over languages.

        Args:
            languages: Codes or the name of an exposure, as in `Study.languages`. Languages that were not scored at
                every point are left out, so that every point is the mean over the same languages.
        """
        codes = study.languages(curve, *curve.points, among=languages)
        if not codes:
            return cls((), (), ())
        means = [study.mean(curve, point, codes) for point in curve.points]
        known_draws = [value.draws for value in means if value.draws is not None and np.isfinite(value.draws).all()]
        draws = np.stack(known_draws, axis=1) if len(known_draws) == len(means) else None
        stderr = draws.std(axis=0, ddof=1) if draws is not None else np.full(len(means), np.nan)
        return cls(
            tuple(point.samples_per_language for point in curve.points),
            tuple(value.value for value in means),
            tuple(float(error) for error in stderr),
            draws,
            tuple(point.run_ids for point in curve.points),
        )

    @property
    def has_stderr(self) -> bool:
        """Whether every point has a known standard error above 0."""
        return bool(self.stderr) and bool(np.isfinite(self.stderr).all()) and min(self.stderr) > 0

    @property
    def weights(self) -> Floats:
        """Inverse of the sampling variance of each point; 1 for all points where a standard error is not known."""
        return 1 / np.square(self.stderr) if self.has_stderr else np.ones(len(self.samples))

    def resampled(self, run_noise: float, rng: np.random.Generator, degrees_of_freedom: int | None = None) -> Floats:
        """Draws scores as another evaluation of newly trained runs would give them.

        Args:
            run_noise: Standard deviation between runs that differ only in the seed, added to the sampling error.
            rng: Random generator of everything that `draws` does not hold.
            degrees_of_freedom: Degrees of freedom of an estimated `run_noise`. Each resample then also draws the
                standard deviation, which gives the tails of Student's t distribution. None when `run_noise` is known.

        Returns:
            Scores of shape (resamples, points).
        """
        rows = RESAMPLES if self.draws is None else len(self.draws)
        shape = (rows, len(self.samples))
        if self.draws is not None:
            scores = self.draws
        else:
            sampling_error = np.asarray(self.stderr) if self.has_stderr else np.zeros(shape[1])
            scores = np.asarray(self.scores) + sampling_error * rng.standard_normal(shape)
        scale: Floats = np.full((rows, 1), run_noise)
        if degrees_of_freedom is not None:
            scale = scale * np.sqrt(degrees_of_freedom / rng.chisquare(degrees_of_freedom, (rows, 1)))
        return np.asarray(scores + scale * rng.standard_normal(shape))
