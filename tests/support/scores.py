"""Score frames of runs that never happened: rows written down by hand, and sweeps drawn from a known truth.

`run` and `scores` write down the scores of single runs. `smoke_sweep` and `full_sweep` draw scores and item scores as
real sweeps write them. `tests.support.simulated` is for measuring the coverage of intervals, which takes thousands of
draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from clt_ray.analysis.loading import load_scores

LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
METRICS = {"summarization": "rougeL", "instruction": "reference_chrf", "math": "accuracy"}
MIXED = "summarization+instruction+math"
FULL_MODELS = {"toy-1b": 0.25, "toy-3b": 0.2, "toy-9b": 0.15}
"""Models of `full_sweep`, and how much each gains in the languages that it is trained on."""


def run(
    trained: str,
    n: int,
    by_language: Mapping[str, float],
    *,
    group: str = "",
    seed: int = 0,
    task: str = "math",
    model: str = "m",
    setting: str = "single",
    stderr: float | None = 0.02,
) -> list[dict[str, Any]]:
    """Returns the rows of one run.

    Args:
        trained: Training languages joined by "+", which also name the language group unless `group` does.
        n: Samples per language; with 0, the run trains on English alone.
        by_language: Evaluation language -> score.
        group: Name of the language group.
        seed: Seed of the run.
        task: Evaluated task.
        model: Name of the model.
        setting: "single" or "multi".
        stderr: Standard error of every score.
    """
    name = (group or trained or "none") if n else "none"
    metric = "judge_rating" if task == "instruction" else METRICS[task]
    return [
        {
            "run_id": f"{model}-{setting}-{name}-{n}-{seed}" + ("" if setting == "multi" else f"-{task}"),
            "model": model, "setting": setting, "task": task, "language_group": name,
            "train_languages": trained if n else "", "samples_per_language": n, "seed": seed,
            "eval_language": language, "metric": metric, "score": score, "stderr": stderr, "n_items": 100,
        }
        for language, score in by_language.items()
    ]  # fmt: skip


def scores(*runs: list[dict[str, Any]]) -> pd.DataFrame:
    """Returns the validated frame of several runs."""
    return load_scores([row for rows in runs for row in rows])


def items_of(frame: pd.DataFrame, values: Mapping[tuple[str, str], np.ndarray], shared: bool = True) -> pd.DataFrame:
    """Returns item scores of runs.

    Args:
        frame: Scores of the runs.
        values: (run id, language) -> score of each item.
        shared: Whether items at the same position are the same item in all languages.
    """
    by_run = frame.set_index(["run_id", "eval_language"])
    parts = []
    for (run_id, language), item_scores in values.items():
        row: Any = by_run.loc[(run_id, language)]
        ids = [f"{'' if shared else language}{index}" for index in range(len(item_scores))]
        measured = {"run_id": run_id, "task": row["task"], "eval_language": language, "metric": row["metric"]}
        parts.append(pd.DataFrame(measured | {"item_id": ids, "score": item_scores}))
    return pd.concat(parts)


@dataclass(frozen=True)
class DrawnRun:
    """One run of a drawn sweep."""

    model: str
    task: str
    """Task, or tasks joined by "+"."""
    group: str
    trained: str
    """Training languages joined by "+", without the English base."""
    n: int
    seed: int

    @property
    def run_id(self) -> str:
        return f"{self.model}-{self.task}-{self.group}-{self.n}-{self.seed}".replace("+", "-")

    def description(self) -> dict[str, Any]:
        """Returns what `status` says of the finished run."""
        return {
            "run_id": self.run_id, "model": self.model, "task": self.task, "language_group": self.group,
            "samples_per_language": self.n, "seed": self.seed, "state": "finished", "error": None,
        }  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """Standard deviations of what differs by chance, on the scale of the scores."""

    difficulty: float
    """Between items; all runs share the items, and in math all languages do."""
    run: float = 0.0
    """Between runs, the same in all languages of a run."""
    item: float = 0.0
    """Between runs at a single item."""


Truth = Callable[[DrawnRun, str, str], float]
"""Expected score of a run in a task and a language."""


def smoke_runs(seeds: Sequence[int] = (0,), model: str = "tiny") -> list[dict[str, Any]]:
    """Returns descriptions of the runs of `smoke_sweep`."""
    return [drawn.description() for drawn in _smoke_runs(seeds, model)]


def smoke_sweep(
    seeds: Sequence[int] = (0,), items_per_language: int = 50, model: str = "tiny"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns scores and item scores of a sweep like sweeps/smoke.yaml.

    It has three tasks at n = 0, 50 and 200, and at 200 also a second language group and the mixture of all tasks.
    """
    return _draw(_smoke_runs(seeds, model), METRICS, _smoke_truth, Noise(0.15, item=0.05), items_per_language, seed=1)


def full_sweep(seeds: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns scores and item scores of a sweep that allows every section of the report.

    It has models of several sizes, groups of one and of more languages, an equal-volume control, repeated seeds, and
    language fidelity.
    """
    groups = {
        "all": "es+fr+ja+zh", "es": "es", "ja": "ja", "latin": "es+fr", "non_latin": "ja+zh", "english:4": "en",
    }  # fmt: skip
    metrics = {task: METRICS[task] for task in ("math", "summarization")}
    runs = [
        DrawnRun(model, task, group if n else "none", trained if n else "", n, seed)
        for model, task, (group, trained), n, seed in product(
            FULL_MODELS, metrics, groups.items(), (0, 100, 400), range(seeds)
        )
        if n or group == "all"
    ]
    frame, items = _draw(runs, metrics, _full_truth, Noise(0.1, run=0.01), items=60, seed=5)
    right = np.where((frame["samples_per_language"] > 0) | (frame["eval_language"] == "en"), 1.0, 0.75)
    return pd.concat([frame, frame.assign(metric="fidelity", score=right, stderr=0.0)], ignore_index=True), items


def _smoke_runs(seeds: Sequence[int], model: str) -> list[DrawnRun]:
    groups = {"all": "es+fr+ja+zh", "latin": "es+fr", "none": ""}
    cells = [(task, "none", 0) for task in METRICS]
    cells += [(task, "all", n) for task in METRICS for n in (50, 200)]
    cells += [(task, "latin", 200) for task in METRICS]
    cells.append((MIXED, "all", 200))
    return [DrawnRun(model, task, group, groups[group], n, seed) for task, group, n in cells for seed in seeds]


def _smoke_truth(drawn: DrawnRun, task: str, language: str) -> float:
    """English is high, training on a language adds 0.3 to it, and training on others adds 0.06."""
    base = {"summarization": 0.3, "instruction": 0.35, "math": 0.25}[task]
    if language == "en":
        return base + 0.4
    lift = 0.3 if language in drawn.trained.split("+") else 0.06 if drawn.trained else 0.0
    return base + lift * min(drawn.n, 200) / 200


def _full_truth(drawn: DrawnRun, task: str, language: str) -> float:
    """English is high; training adds the model's gain in its languages, less in others, and least in a control."""
    share = 1.0 if language in drawn.trained.split("+") else 0.1 if drawn.group == "english:4" else 0.3
    return 0.7 if language == "en" else 0.3 + FULL_MODELS[drawn.model] * share * min(drawn.n, 300) / 300


def _draw(
    runs: Sequence[DrawnRun], metrics: Mapping[str, str], truth: Truth, noise: Noise, items: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draws scores and item scores of runs around their expected scores; math items are right or wrong."""
    rng = np.random.default_rng(seed)
    difficulty = {key: rng.normal(0, noise.difficulty, items) for key in product(metrics, LANGUAGES)}
    score_rows: list[dict[str, Any]] = []
    item_frames = []
    for drawn in runs:
        luck = rng.normal(0, noise.run) if noise.run else 0.0
        for task, language in product(drawn.task.split("+"), LANGUAGES):
            expected = truth(drawn, task, language) + luck + difficulty[task, "en" if task == "math" else language]
            values = np.clip(expected + (rng.normal(0, noise.item, items) if noise.item else 0.0), 0, 1)
            if task == "math":
                values = (rng.random(items) < values).astype(float)
            measured = {"run_id": drawn.run_id, "task": task, "eval_language": language, "metric": metrics[task]}
            ids = [f"{task if task == 'math' else language}-{index}" for index in range(items)]
            item_frames.append(pd.DataFrame(measured | {"item_id": ids, "score": values}))
            score_rows.append(
                measured
                | {
                    "model": drawn.model, "setting": "multi" if "+" in drawn.task else "single",
                    "language_group": drawn.group, "train_languages": drawn.trained,
                    "samples_per_language": drawn.n, "seed": drawn.seed, "score": float(values.mean()),
                    "stderr": float(values.std(ddof=1) / items**0.5), "n_items": items,
                }
            )  # fmt: skip
    return pd.DataFrame(score_rows), pd.concat(item_frames, ignore_index=True)
