"""Scores of made-up runs, written down in a line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from clt_ray.analysis.loading import load_scores

METRICS = {"math": "accuracy", "summarization": "rougeL", "instruction": "judge_rating"}


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
    """Rows of a run that trained on `trained` (joined by "+"); its group is called so unless it has a name."""
    name = (group or trained or "none") if n else "none"
    return [
        {
            "run_id": f"{model}-{setting}-{name}-{n}-{seed}" + ("" if setting == "multi" else f"-{task}"),
            "model": model, "setting": setting, "task": task, "language_group": name,
            "train_languages": trained if n else "", "samples_per_language": n, "seed": seed,
            "eval_language": language, "metric": METRICS[task], "score": score, "stderr": stderr, "n_items": 100,
        }
        for language, score in by_language.items()
    ]  # fmt: skip


def scores(*runs: list[dict[str, Any]]) -> pd.DataFrame:
    """A validated frame of runs."""
    return load_scores([row for rows in runs for row in rows])


def items_of(frame: pd.DataFrame, values: Mapping[tuple[str, str], np.ndarray], shared: bool = True) -> pd.DataFrame:
    """Item scores of (run id, language); an item of one place is the same in all languages when `shared`."""
    known = frame.set_index(["run_id", "eval_language"])
    parts = []
    for (run_id, language), own in values.items():
        row = known.loc[(run_id, language)]
        ids = [f"{'' if shared else language}{place}" for place in range(len(own))]
        cell = {"run_id": run_id, "task": row["task"], "eval_language": language, "metric": row["metric"]}
        parts.append(pd.DataFrame(cell | {"item_id": ids, "score": own}))
    return pd.concat(parts)
