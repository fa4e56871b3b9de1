"""The scores of all runs in one task, by run and evaluation language, together with bootstrap resamples of each score.

Every quantity of the analysis is computed from these scores, so that quantities of the same task stay paired: the same
resample of the test items is used for every run. See `uncertainty` for how resamples become intervals.
"""

import zlib
from collections.abc import Sequence
from functools import cached_property
from math import inf
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clt_ray.analysis.metrics import metric
from clt_ray.analysis.uncertainty import (
    BOOTSTRAP,
    NORMAL,
    Floats,
    ResampledValue,
    mean,
    resample_counts,
    resampled_means,
)
from clt_ray.errors import Problem

ENGLISH: Final = "en"

_ROUNDING: Final = 2e-3
"""Largest difference of a score from the mean of its items that counts as rounding, as a share of the scale."""
_SHOWN_PROBLEMS: Final = 5
"""Contradictions between items and scores that are listed; further ones usually have the same cause."""


class TaskScores:
    """Scores of one task in one metric: a matrix of runs by evaluation languages. Made by `Study.of`."""

    def __init__(self, scores: pd.DataFrame, items: pd.DataFrame | None, draws: int, seed: int) -> None:
        """Arranges scores, and item scores where they are known, as matrices.

        Args:
            scores: Rows of a scores frame (`loading.SCORE_COLUMNS`), all of one task and one metric.
            items: Item scores of the same measurements (`loading.ITEM_COLUMNS`), or None.
        """
        self.metric = metric(str(scores["metric"].iloc[0]))
        self.languages = tuple(sorted(scores["eval_language"].unique(), key=lambda code: (code != ENGLISH, code)))
        self._run_ids = tuple(scores["run_id"].unique())
        self._row = {run_id: row for row, run_id in enumerate(self._run_ids)}
        self._draws = draws
        self._seed = seed
        self._score = self._matrix(scores, "score")
        self._n_items = np.nan_to_num(self._matrix(scores, "n_items")).astype(int)
        self._stderr = self._positive_stderr(self._matrix(scores, "stderr"))
        self._items: list[Floats] = []
        if items is not None and len(items):
            self._items, self._strata = self._item_matrices(items)
        self._resamples: dict[str, Floats] = {}

    def _matrix(self, scores: pd.DataFrame, column: str) -> Floats:
        table = scores.pivot(index="run_id", columns="eval_language", values=column)
        return table.reindex(index=self._run_ids, columns=self.languages).to_numpy(dtype=float)

    def _positive_stderr(self, stderr: Floats) -> Floats:
        """Replaces standard errors of 0 at the ends of the metric's scale by the Agresti-Coull standard error.

        A proportion of 0 or 1 in n items has an estimated standard error of 0, although the true proportion may differ.
        Two successes and two failures are added (Agresti and Coull, The American Statistician 52, 1998).
        """
        proportion = (self._score - self.metric.low) / self.metric.span
        items = np.maximum(self._n_items, 1)
        adjusted = (proportion * items + 2) / (items + 4)
        agresti_coull = self.metric.span * np.sqrt(adjusted * (1 - adjusted) / (items + 4))
        return np.where((stderr == 0) & ((proportion == 0) | (proportion == 1)), agresti_coull, stderr)

    def _item_matrices(self, items: pd.DataFrame) -> tuple[list[Floats], NDArray[np.intp]]:
        """Returns item scores per language, and the bootstrap stratum of each item.

        The matrix of a language has the shape (runs, items of this language), with NaN where a run was not scored on an
        item. Items with the same identifier in several languages are one unit of the bootstrap. Units that exist in the
        same set of languages form one stratum, so that every resample keeps the number of items of every language.
        """
        unit = pd.factorize(items["item_id"], sort=True)[0]
        presence = np.zeros((len(self.languages), unit.max() + 1), bool)
        matrices = []
        rows = items["run_id"].map(self._row).to_numpy()
        scores = items["score"].to_numpy(dtype=np.float32)
        for index, code in enumerate(self.languages):
            in_language = (items["eval_language"] == code).to_numpy()
            presence[index, unit[in_language]] = True
            column = np.cumsum(presence[index]) - 1
            matrix = np.full((len(self._run_ids), int(presence[index].sum())), np.nan, np.float32)
            matrix[rows[in_language], column[unit[in_language]]] = scores[in_language]
            matrices.append(matrix)
        self._presence = presence
        return matrices, np.unique(presence, axis=1, return_inverse=True)[1].reshape(-1)

    def check_items(self, source: str, task: str) -> list[Problem]:
        """Returns a problem for each score that is not the mean of its items, whose intervals would not describe it."""
        problems = []
        for index, matrix in enumerate(self._items):
            scored = np.isfinite(matrix)
            counts = scored.sum(axis=1)
            means = np.where(scored, matrix, 0).sum(axis=1) / np.maximum(counts, 1)
            differs = (counts > 0) & (np.abs(means - self._score[:, index]) > _ROUNDING * self.metric.span)
            problems += [
                Problem(source, f"{self._run_ids[row]}, {task}, {self.languages[index]}", round(float(means[row]), 4),
                        f"is the mean of the items where the scores say {self._score[row, index]:.4f}",
                        "items and scores must come from the same evaluation")
                for row in np.flatnonzero(differs)
            ]  # fmt: skip
        return problems[:_SHOWN_PROBLEMS]

    @cached_property
    def _counts(self) -> NDArray[np.float32]:
        return resample_counts(self._strata, self._draws, self._seed)

    def _run_resamples(self, run_id: str) -> Floats:
        """Returns resampled scores of a run, shape (draws, languages); NaN where no standard error is known."""
        if run_id not in self._resamples:
            row = self._row[run_id]
            # The generator depends on the run alone, so adding runs to a report leaves the other numbers unchanged.
            rng = np.random.default_rng([self._seed, zlib.crc32(run_id.encode())])
            draws = self._score[row] + self._stderr[row] * rng.standard_normal((self._draws, len(self.languages)))
            for index, matrix in enumerate(self._items):
                if self._has_items(row, index):
                    counts = self._counts[:, self._presence[index]]
                    draws[:, index] = resampled_means(matrix[row][None], counts)[:, 0]
            self._resamples[run_id] = draws
        return self._resamples[run_id]

    def _has_items(self, row: int, language_index: int) -> bool:
        return bool(self._items) and bool(np.isfinite(self._items[language_index][row]).any())

    def evaluated(self, run_id: str) -> tuple[str, ...]:
        """Returns the codes of the languages in which the run was scored."""
        is_scored = np.isfinite(self._score[self._row[run_id]])
        return tuple(code for code, scored in zip(self.languages, is_scored, strict=True) if scored)

    def score(self, run_id: str, language: str) -> ResampledValue:
        """Returns the score of a run in one language, in the metric's stored unit, with its resamples."""
        row, index = self._row[run_id], self.languages.index(language)
        draws: Floats | None = self._run_resamples(run_id)[:, index]
        n = int(self._n_items[row, index])
        units, method = inf, NORMAL
        if self._has_items(row, index):
            units, method = n, BOOTSTRAP
        elif not np.isfinite(self._stderr[row, index]):
            draws = None
        bounds = (self.metric.low, self.metric.high)
        return ResampledValue(float(self._score[row, index]), draws, n, units, frozenset({method}), (run_id,), bounds)

    def mean(self, run_ids: Sequence[str], languages: Sequence[str]) -> ResampledValue:
        """Returns the unweighted mean over runs of each run's unweighted mean over languages.

        A run's mean leaves out languages in which it was not scored; a run without any is left out. NaN of nothing.
        """
        return mean(
            [
                mean([self.score(run_id, code) for code in languages if code in self.evaluated(run_id)])
                for run_id in run_ids
                if set(languages) & set(self.evaluated(run_id))
            ]
        )
