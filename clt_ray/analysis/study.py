"""Scores arranged for analysis: curves of runs, and the resampled mean of every run in every language.

A *curve* is a series (runs that differ only in samples per language) with all its seeds. An n = 0 run of language
group "none" trained on no group, so it is the origin of every group's curve of the same model, setting and task; what
is seen and unseen at n = 0 is then what the curve's other runs train on.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clt_ray.analysis.display_order import natural_sort_key
from clt_ray.analysis.metrics import metric, primary_scores, task_order
from clt_ray.analysis.uncertainty import (
    BOOTSTRAP,
    NORMAL,
    Floats,
    ResampledValue,
    mean,
    resample_counts,
    resampled_means,
)
from clt_ray.errors import ConfigurationError, Problem

ENGLISH: Final = "en"
NO_GROUP: Final = "none"
DRAWS: Final = 2000
"""Resamples: enough that the ends of a 95% interval move by about 2% of its half-width."""

_ROUNDING: Final = 2e-3
"""How far a score may be from the mean of its items before they are taken for another evaluation's."""


@dataclass(frozen=True)
class Point:
    """The runs of a curve at one number of samples per language: one per seed or repetition."""

    samples_per_language: int
    runs: tuple[tuple[int, str], ...]
    """(seed, run_id), sorted."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(run_id for _, run_id in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({seed for seed, _ in self.runs}))


@dataclass(frozen=True)
class Curve:
    """A series with all its seeds, in one task."""

    model: str
    setting: str
    task: str
    metric: str
    language_group: str
    train_languages: tuple[str, ...]
    """Non-English training languages of the runs with n > 0; () when there is none."""
    mixture: str
    """Tasks of the runs, joined by "+"; tells mixtures of setting "multi" apart."""
    points: tuple[Point, ...] = field(compare=False)
    """Ascending in samples per language."""

    @property
    def origin(self) -> Point | None:
        """The point at n = 0."""
        first = self.points[0]
        return first if first.samples_per_language == 0 else None

    @property
    def largest(self) -> Point:
        return self.points[-1]

    def exposure(self, language: str) -> str:
        """english, seen or unseen."""
        if language == ENGLISH:
            return "english"
        return "seen" if language in self.train_languages else "unseen"

    def at(self, samples_per_language: int) -> Point:
        """The point at this number of samples.

        Raises:
            KeyError: The curve has no such run.
        """
        for point in self.points:
            if point.samples_per_language == samples_per_language:
                return point
        raise KeyError(samples_per_language)


class TaskScores:
    """Scores of one task: a run in a language, with resamples of it. Made by `Study`."""

    def __init__(self, scores: pd.DataFrame, items: pd.DataFrame | None, draws: int, seed: int) -> None:
        self.metric = metric(str(scores["metric"].iloc[0]))
        self.languages = tuple(sorted(scores["eval_language"].unique(), key=lambda code: (code != ENGLISH, code)))
        self._run_ids = tuple(scores["run_id"].unique())
        self._row = {run_id: row for row, run_id in enumerate(self._run_ids)}
        self._draws = draws
        self._seed = seed
        self._score = self._grid(scores, "score")
        self._stderr = self._grid(scores, "stderr")
        self._n_items = np.nan_to_num(self._grid(scores, "n_items")).astype(int)
        self._stderr = self._without_certainty()
        self._items: list[Floats] = []
        if items is not None and len(items):
            self._items, self._strata = self._item_matrices(items)
        self._cache: dict[str, Floats] = {}

    def _grid(self, scores: pd.DataFrame, column: str) -> Floats:
        grid = np.full((len(self._run_ids), len(self.languages)), np.nan)
        languages = {code: place for place, code in enumerate(self.languages)}
        rows = scores["run_id"].map(self._row).to_numpy()
        grid[rows, scores["eval_language"].map(languages).to_numpy()] = scores[column].to_numpy(dtype=float)
        return grid

    def _without_certainty(self) -> Floats:
        """Standard errors, those of 0 at the ends of the scale replaced.

        No success in n items does not mean that none is possible: two successes and two failures are added (Agresti and
        Coull, The American Statistician 52, 1998).
        """
        share = (self._score - self.metric.low) / self.metric.span
        items = np.maximum(self._n_items, 1)
        adjusted = (share * items + 2) / (items + 4)
        usual = self.metric.span * np.sqrt(adjusted * (1 - adjusted) / (items + 4))
        return np.where((self._stderr == 0) & ((share == 0) | (share == 1)), usual, self._stderr)

    def _item_matrices(self, items: pd.DataFrame) -> tuple[list[Floats], NDArray[np.intp]]:
        """Item scores per language, shape (runs, its units), NaN where a run was not scored on an item.

        Also which languages each unit exists in, as a number: units of equal number form a stratum of the bootstrap, so
        that every language keeps its number of items.
        """
        unit = pd.factorize(items["item_id"], sort=True)[0]
        presence = np.zeros((len(self.languages), unit.max() + 1), bool)
        matrices = []
        rows = items["run_id"].map(self._row).to_numpy()
        scores = items["score"].to_numpy(dtype=np.float32)
        for place, code in enumerate(self.languages):
            own = (items["eval_language"] == code).to_numpy()
            presence[place, unit[own]] = True
            column = np.cumsum(presence[place]) - 1
            matrix = np.full((len(self._run_ids), int(presence[place].sum())), np.nan, np.float32)
            matrix[rows[own], column[unit[own]]] = scores[own]
            matrices.append(matrix)
        self._presence = presence
        return matrices, np.unique(presence, axis=1, return_inverse=True)[1].reshape(-1)

    def check_items(self, where: str, task: str) -> list[Problem]:
        """TaskScores whose items do not average to their score: intervals would be about other numbers."""
        problems = []
        for place, matrix in enumerate(self._items):
            scored = np.isfinite(matrix)
            counts = scored.sum(axis=1)
            means = np.where(scored, matrix, 0).sum(axis=1) / np.maximum(counts, 1)
            wrong = (counts > 0) & (np.abs(means - self._score[:, place]) > _ROUNDING * self.metric.span)
            problems += [
                Problem(where, f"{self._run_ids[row]}, {task}, {self.languages[place]}", round(float(means[row]), 4),
                        f"is the mean of the items where the scores say {self._score[row, place]:.4f}",
                        "items and scores must come from the same evaluation")
                for row in np.flatnonzero(wrong)
            ]  # fmt: skip
        return problems[:5]

    @cached_property
    def _counts(self) -> NDArray[np.float32]:
        return resample_counts(self._strata, self._draws, self._seed)

    def _run_draws(self, run_id: str) -> Floats:
        """Resampled scores of a run, shape (draws, languages); NaN where nothing is known."""
        if run_id not in self._cache:
            row = self._row[run_id]
            # Independent of which other runs are there, so a report on more runs repeats the numbers of fewer.
            rng = np.random.default_rng([self._seed, zlib.crc32(run_id.encode())])
            draws = self._score[row] + self._stderr[row] * rng.standard_normal((self._draws, len(self.languages)))
            for place, matrix in enumerate(self._items):
                if self._has_items(row, place):
                    counts = self._counts[:, self._presence[place]]
                    draws[:, place] = resampled_means(matrix[row][None], counts)[:, 0]
            self._cache[run_id] = draws
        return self._cache[run_id]

    def _has_items(self, row: int, place: int) -> bool:
        return bool(self._items) and bool(np.isfinite(self._items[place][row]).any())

    def evaluated(self, run_id: str) -> tuple[str, ...]:
        """Languages that the run was scored in."""
        known = np.isfinite(self._score[self._row[run_id]])
        return tuple(code for code, is_known in zip(self.languages, known, strict=True) if is_known)

    def score(self, run_id: str, language: str) -> ResampledValue:
        """One cell as a quantity."""
        row, place = self._row[run_id], self.languages.index(language)
        draws: Floats | None = self._run_draws(run_id)[:, place]
        n = int(self._n_items[row, place])
        units, method = inf, NORMAL
        if self._has_items(row, place):
            units, method = n, BOOTSTRAP
        elif not np.isfinite(self._stderr[row, place]):
            draws = None
        bounds = (self.metric.low, self.metric.high)
        return ResampledValue(float(self._score[row, place]), draws, n, units, frozenset({method}), (run_id,), bounds)

    def mean(self, run_ids: Sequence[str], languages: Sequence[str]) -> ResampledValue:
        """Unweighted mean over runs and languages, of the languages that a run was scored in."""
        return mean(
            [
                mean([self.score(run_id, code) for code in languages if code in self.evaluated(run_id)])
                for run_id in run_ids
                if set(languages) & set(self.evaluated(run_id))
            ]
        )


@dataclass(frozen=True)
class Study:
    """Primary scores of all tasks, arranged. Make it with `Study.of`."""

    scores: pd.DataFrame
    """Rows of each task's primary metric."""
    curves: tuple[Curve, ...]
    """In reading order: task, model, setting, larger language groups first."""
    task_scores: Mapping[str, TaskScores]
    """By task."""

    @classmethod
    def of(cls, scores: pd.DataFrame, items: pd.DataFrame | None = None, *, draws: int = DRAWS, seed: int = 0) -> Study:
        """Arrange scores, with item scores where they are known.

        Args:
            scores: From `frames.load_scores`.
            items: From `frames.load_items`; without them intervals rest on the standard errors in `scores`.
            draws: Resamples.
            seed: Of the resampling; equal arguments give equal intervals.

        Raises:
            ConfigurationError: Runs of a task share no primary metric, or items contradict the scores.
        """
        primary = primary_scores(scores.reset_index(drop=True))
        task_scores = {}
        problems: list[Problem] = []
        for task in sorted(primary["task"].unique(), key=task_order):
            rows = primary[primary["task"] == task]
            task_scores[task] = TaskScores(rows, _items_of(items, rows), draws, seed)
            problems += task_scores[task].check_items("items", task)
        if problems:
            raise ConfigurationError(problems)
        return cls(primary, _curves(primary), task_scores)

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.task_scores)


def _items_of(items: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Items of exactly the measurements in `rows`."""
    if items is None or items.empty:
        return None
    found = items[(items["task"] == rows["task"].iloc[0]) & (items["metric"] == rows["metric"].iloc[0])]
    cells = pd.MultiIndex.from_frame(rows[["run_id", "eval_language"]])
    return found[pd.MultiIndex.from_frame(found[["run_id", "eval_language"]]).isin(cells)]  # type: ignore[no-any-return]


def _curves(scores: pd.DataFrame) -> tuple[Curve, ...]:
    mixtures = scores.groupby("run_id")["task"].agg(lambda tasks: "+".join(sorted(set(tasks), key=task_order)))
    runs = scores.drop_duplicates(["run_id", "task"]).assign(mixture=scores["run_id"].map(mixtures))
    curves: list[Curve] = []
    for key, family in runs.groupby(["model", "setting", "task", "metric", "mixture"], sort=False):
        model, setting, task, metric_name, mixture = (str(part) for part in key)
        origins = family[family["samples_per_language"] == 0]
        trained = family[family["samples_per_language"] > 0]
        for (group, languages), members in trained.groupby(["language_group", "train_languages"], sort=False):
            own = origins[origins["language_group"] == group]
            start = own if len(own) else origins[origins["language_group"] == NO_GROUP]
            points = _points(pd.concat([start, members]))
            curves.append(
                Curve(model, setting, task, metric_name, str(group), tuple(str(languages).split("+")), mixture, points)
            )
        if trained.empty:
            curves.append(Curve(model, setting, task, metric_name, NO_GROUP, (), mixture, _points(origins)))
    return tuple(sorted(curves, key=curve_order))


def _points(runs: pd.DataFrame) -> tuple[Point, ...]:
    points = []
    for samples, members in runs.groupby("samples_per_language", sort=True):
        pairs = sorted(zip(members["seed"].astype(int), members["run_id"].astype(str), strict=True))
        points.append(Point(int(str(samples)), tuple(pairs)))
    return tuple(points)


def curve_order(curve: Curve) -> tuple[object, ...]:
    """Sort key for reading: task, model by size, single before multi, larger groups first."""
    return (
        task_order(curve.task),
        natural_sort_key(curve.model),
        curve.setting != "single",
        curve.mixture,
        -len(curve.train_languages),
        curve.language_group,
        curve.train_languages,
    )
