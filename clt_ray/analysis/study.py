"""Scores arranged for analysis: a `Study` holds curves of runs and, per task, the scores with their resamples.

A `Curve` is a set of runs that differ only in the number of samples per language and in the seed. Runs at n = 0 with
language group "none", trained on English alone, are the point at n = 0 of every group's curve with the same model,
setting and task. The training languages of a curve's other runs decide which languages count as seen there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from clt_ray.analysis.labels import natural_sort_key
from clt_ray.analysis.metrics import primary_scores, task_order
from clt_ray.analysis.task_scores import ENGLISH, TaskScores
from clt_ray.analysis.uncertainty import ResampledValue
from clt_ray.errors import ConfigurationError, Problem

__all__ = ["DRAWS", "ENGLISH", "NON_ENGLISH", "NO_GROUP", "Curve", "Point", "Study", "curve_order", "grouped"]

NON_ENGLISH: Final = "non-English"
"""Name of all languages but English, used like the name of an exposure."""
NO_GROUP: Final = "none"
"""Language group of runs at n = 0, which train on English alone."""
DRAWS: Final = 2000
"""Default number of bootstrap resamples; the ends of a 95% interval then vary by about 2% of its half-width."""


def exposure(language: str, train_languages: Sequence[str]) -> str:
    """Returns how training exposes a model to a language: "english", "seen" (a training language) or "unseen"."""
    return "english" if language == ENGLISH else "seen" if language in train_languages else "unseen"


@dataclass(frozen=True)
class Point:
    """The runs of a curve at one number of samples per language: one run per seed or repetition."""

    samples_per_language: int
    """Training samples in each non-English language (n)."""
    runs: tuple[tuple[int, str], ...]
    """Seed and run id of each run, sorted."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(run_id for _, run_id in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({seed for seed, _ in self.runs}))


@dataclass(frozen=True)
class Curve:
    """Runs that differ only in samples per language and in seed, with their scores in one task."""

    model: str
    setting: str
    """`single` for training on one task, `multi` for training on several tasks at once."""
    task: str
    """The task in which the runs are evaluated."""
    metric: str
    language_group: str
    train_languages: tuple[str, ...]
    """Non-English training languages of the runs with n > 0; empty when all runs have n = 0."""
    mixture: str
    """Tasks that the runs train on, joined by "+"; distinguishes mixtures of setting "multi"."""
    points: tuple[Point, ...] = field(compare=False)
    """Points in ascending order of samples per language."""

    @property
    def origin(self) -> Point | None:
        """The point at n = 0, or None."""
        first = self.points[0]
        return first if first.samples_per_language == 0 else None

    @property
    def is_control(self) -> bool:
        """Whether the runs train on additional English rows instead of other languages (equal-volume control)."""
        return self.train_languages == (ENGLISH,)

    @property
    def is_multilingual(self) -> bool:
        """Whether the runs with n > 0 train on other languages than English."""
        return bool(self.train_languages) and not self.is_control

    @property
    def largest(self) -> Point:
        """The point with the most samples per language."""
        return self.points[-1]

    def exposure(self, language: str) -> str:
        """Returns "english", "seen" (a training language of the curve) or "unseen"."""
        return exposure(language, self.train_languages)

    def at(self, samples_per_language: int) -> Point:
        """Returns the point at this number of samples; raises `KeyError` if the curve has no run there."""
        for point in self.points:
            if point.samples_per_language == samples_per_language:
                return point
        raise KeyError(samples_per_language)


@dataclass(frozen=True)
class Study:
    """The scores of all tasks in their primary metrics, arranged by curve. Make it with `Study.of`."""

    scores: pd.DataFrame
    """Rows of the scores frame in each task's primary metric."""
    curves: tuple[Curve, ...]
    """Curves in reading order: by task, model and setting, larger language groups first."""
    task_scores: Mapping[str, TaskScores]
    """Scores with their resamples, by task."""

    @classmethod
    def of(cls, scores: pd.DataFrame, items: pd.DataFrame | None = None, *, draws: int = DRAWS, seed: int = 0) -> Study:
        """Arranges scores into curves and prepares their bootstrap.

        Args:
            items: Frame from `load_items`; without it intervals are computed from the standard errors in `scores`.

        Raises:
            ConfigurationError: The runs of a task have no primary metric in common, or items contradict the scores.
        """
        primary = primary_scores(scores.reset_index(drop=True))
        task_scores = {}
        problems: list[Problem] = []
        for task in sorted(primary["task"].unique(), key=task_order):
            rows = primary[primary["task"] == task]
            measurement = ["run_id", "task", "eval_language", "metric"]
            task_items = None if items is None else items.merge(rows[measurement], on=measurement)
            task_scores[task] = TaskScores(rows, task_items, draws, seed)
            problems += task_scores[task].check_items("items", task)
        if problems:
            raise ConfigurationError(problems)
        return cls(primary, _curves(primary), task_scores)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks in their canonical order."""
        return tuple(self.task_scores)

    def points(self) -> Iterator[tuple[Curve, Point]]:
        """Yields every point with its curve, in reading order."""
        return ((curve, point) for curve in self.curves for point in curve.points)

    def mean(self, curve: Curve, point: Point, languages: Sequence[str]) -> ResampledValue:
        """Returns the mean score of a point in the task of the curve over languages; see `TaskScores.mean`."""
        return self.task_scores[curve.task].mean(point.run_ids, languages)

    def languages(self, curve: Curve, *points: Point, among: Sequence[str] | str | None = None) -> list[str]:
        """Returns the codes of the languages in which every run of the points was scored in the task of the curve.

        Args:
            among: Codes to choose from, or an exposure to the training data of the curve: "seen", "unseen", "english",
                or `NON_ENGLISH` for the first two; by default all languages.
        """
        task_scores = self.task_scores[curve.task]
        common = set.intersection(*(set(task_scores.evaluated(run)) for point in points for run in point.run_ids))
        if among == NON_ENGLISH:
            return sorted(common - {ENGLISH})
        if isinstance(among, str):
            return sorted(code for code in common if curve.exposure(code) == among)
        return sorted(common if among is None else common & set(among))


def _curves(scores: pd.DataFrame) -> tuple[Curve, ...]:
    mixtures = scores.groupby("run_id")["task"].agg(lambda tasks: "+".join(sorted(set(tasks), key=task_order)))
    runs = scores.drop_duplicates(["run_id", "task"]).assign(mixture=scores["run_id"].map(mixtures))
    curves: list[Curve] = []
    for key, family in runs.groupby(["model", "setting", "task", "metric", "mixture"], sort=False):
        model, setting, task, metric_name, mixture = (str(part) for part in key)
        origins = family[family["samples_per_language"] == 0]
        trained = family[family["samples_per_language"] > 0]
        for (group, languages), members in trained.groupby(["language_group", "train_languages"], sort=False):
            group_origins = origins[origins["language_group"] == group]
            start = group_origins if len(group_origins) else origins[origins["language_group"] == NO_GROUP]
            points, codes = _points(pd.concat([start, members])), tuple(str(languages).split("+"))
            curves.append(Curve(model, setting, task, metric_name, str(group), codes, mixture, points))
        if trained.empty:
            curves.append(Curve(model, setting, task, metric_name, NO_GROUP, (), mixture, _points(origins)))
    return tuple(sorted(curves, key=curve_order))


def grouped(curves: Iterable[Curve], key: Callable[[Curve], Hashable]) -> list[list[Curve]]:
    """Returns the curves in groups of equal keys, in the order of the first curve of each group."""
    groups: dict[Hashable, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(key(curve), []).append(curve)
    return list(groups.values())


def _points(runs: pd.DataFrame) -> tuple[Point, ...]:
    points = []
    for samples, members in runs.groupby("samples_per_language", sort=True):
        pairs = sorted(zip(members["seed"].astype(int), members["run_id"].astype(str), strict=True))
        points.append(Point(int(str(samples)), tuple(pairs)))
    return tuple(points)


def curve_order(curve: Curve) -> tuple[object, ...]:
    """Returns the sort key of the reading order: task, model by size, single before multi, larger groups first."""
    model = natural_sort_key(curve.model), curve.setting != "single", curve.mixture
    return task_order(curve.task), model, -len(curve.train_languages), curve.language_group, curve.train_languages
