"""A series as numbers: score against samples per language, with what is known of its noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.transfer import languages_of
from clt_ray.analysis.uncertainty import Floats

RESAMPLES: Final = 1000
"""Resamples of a series known by its standard errors alone."""
KINDS: Final = ("non-English", "seen", "unseen", "english")
"""What a series may be the mean over, besides languages by name."""


@dataclass(frozen=True)
class Series:
    """Mean scores of the runs of a curve, in ascending order of samples per language."""

    samples: tuple[int, ...]
    """Samples per non-English language, distinct and ascending."""
    scores: tuple[float, ...]
    """In the metric's stored unit."""
    stderr: tuple[float, ...]
    """Sampling error of each score; NaN where it is not known."""
    draws: Floats | None = field(default=None, compare=False, repr=False)
    """Scores in each resample of the test items, shape (resamples, points), paired over points; None: draw from a
    normal with `stderr`."""
    runs: tuple[tuple[str, ...], ...] = ()
    """Run ids of each point."""

    def __post_init__(self) -> None:
        sizes = {len(self.samples), len(self.scores), len(self.stderr)}
        if len(sizes) != 1 or list(self.samples) != sorted(set(self.samples)):
            raise ValueError(f"no series: samples {self.samples}, {len(self.scores)} scores, {len(self.stderr)} errors")

    @classmethod
    def of(cls, study: Study, curve: Curve, languages: Sequence[str] | str = KINDS[0]) -> Series:
        """The series of a curve's mean over languages.

        Args:
            study: The scores.
            curve: The curve to read.
            languages: Codes, or one of `KINDS`; those that were not scored at every point are left out.

        Returns:
            A series of no points when no language remains.
        """
        scored = [set(languages_of(study, curve, point)) for point in curve.points]
        common = set.intersection(*scored)
        if languages == KINDS[0]:
            wanted = sorted(common - {ENGLISH})
        elif isinstance(languages, str):
            wanted = [code for code in sorted(common) if curve.exposure(code) == languages]
        else:
            wanted = [code for code in sorted(common) if code in languages]
        if not wanted:
            return cls((), (), ())
        found = [study.task_scores[curve.task].mean(point.run_ids, wanted) for point in curve.points]
        drawn = [sample.draws for sample in found]
        known = [each for each in drawn if each is not None and np.isfinite(each).all()]
        draws = np.stack(known, axis=1) if len(known) == len(found) else None
        stderr = draws.std(axis=0, ddof=1) if draws is not None else np.full(len(found), np.nan)
        return cls(
            tuple(point.samples_per_language for point in curve.points),
            tuple(sample.value for sample in found),
            tuple(float(error) for error in stderr),
            draws,
            tuple(point.run_ids for point in curve.points),
        )

    def upto(self, points: int) -> Series:
        """The first points of the series."""
        draws = None if self.draws is None else self.draws[:, :points]
        return Series(self.samples[:points], self.scores[:points], self.stderr[:points], draws, self.runs[:points])

    @property
    def has_stderr(self) -> bool:
        """Whether the sampling error of every point is known, and is one."""
        return bool(self.stderr) and bool(np.isfinite(self.stderr).all()) and min(self.stderr) > 0

    @property
    def weights(self) -> Floats:
        """One over the sampling variance; equal where it is not known."""
        return 1 / np.square(self.stderr) if self.has_stderr else np.ones(len(self.samples))

    def resampled(self, run_noise: float, rng: np.random.Generator, freedom: int | None = None) -> Floats:
        """Scores as they might have come out, shape (resamples, points).

        Args:
            run_noise: Standard deviation between equal runs, added to the sampling error.
            rng: Of the draws that are not there already.
            freedom: Degrees of freedom of an estimated `run_noise`: each resample then draws the deviation too, which
                gives the tails of Student's t; None when it is known.
        """
        rows = RESAMPLES if self.draws is None else len(self.draws)
        shape = (rows, len(self.samples))
        if self.draws is not None:
            drawn = self.draws
        else:
            sampling = np.asarray(self.stderr) if self.has_stderr else np.zeros(shape[1])
            drawn = np.asarray(self.scores) + sampling * rng.standard_normal(shape)
        scale: Floats = np.full((rows, 1), run_noise)
        if freedom is not None:
            scale = scale * np.sqrt(freedom / rng.chisquare(freedom, (rows, 1)))
        return np.asarray(drawn + scale * rng.standard_normal(shape))
