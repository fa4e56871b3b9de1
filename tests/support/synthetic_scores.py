"""A made-up sweep with known truth: scores and item scores as a real sweep writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
METRICS = {"summarization": "rougeL", "instruction": "reference_chrf", "math": "accuracy"}
GROUPS = {"all": "es+fr+ja+zh", "latin": "es+fr"}
MIXED = "summarization+instruction+math"


def truth(task: str, language: str, trained: Sequence[str], n: int) -> float:
    """Expected score: English is high, training on a language lifts it by 0.3, on others by 0.06."""
    base = {"summarization": 0.3, "instruction": 0.35, "math": 0.25}[task]
    if language == "en":
        return base + 0.4
    lift = 0.3 if language in trained else 0.06 if trained else 0.0
    return base + lift * min(n, 200) / 200


def runs(seeds: Sequence[int] = (0,), model: str = "tiny") -> list[dict]:
    """Run descriptions: three tasks at n = 0, 50, 200, a second group and a mixed cell at 200."""
    cells = [(task, "none", 0) for task in METRICS]
    cells += [(task, "all", n) for task in METRICS for n in (50, 200)]
    cells += [(task, "latin", 200) for task in METRICS]
    cells.append((MIXED, "all", 200))
    return [
        {
            "run_id": f"{model}-{task}-{group}-{n}-{seed}".replace("+", "-"),
            "model": model,
            "task": task,
            "language_group": group,
            "samples_per_language": n,
            "seed": seed,
            "state": "finished",
            "error": None,
        }
        for task, group, n in cells
        for seed in seeds
    ]


def sweep(
    seeds: Sequence[int] = (0,), items_per_language: int = 50, model: str = "tiny", generator_seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and items of `runs`; items are shared by all runs, and by all languages of math."""
    rng = np.random.default_rng(generator_seed)
    difficulty = {
        (task, language): rng.normal(0, 0.15, items_per_language) for task in METRICS for language in LANGUAGES
    }
    scores, items = [], []
    for run in runs(seeds, model):
        tasks = run["task"].split("+")
        trained = GROUPS.get(run["language_group"], "")
        about = {key: run[key] for key in ("run_id", "model", "language_group", "samples_per_language", "seed")}
        about |= {"setting": "multi" if len(tasks) > 1 else "single", "train_languages": trained}
        for task in tasks:
            for language in LANGUAGES:
                shared = difficulty[task, "en" if task == "math" else language]
                expected = truth(task, language, trained.split("+") if trained else [], run["samples_per_language"])
                values = np.clip(expected + shared + rng.normal(0, 0.05, items_per_language), 0, 1)
                if task == "math":
                    values = (rng.random(items_per_language) < values).astype(float)
                cell = {"task": task, "eval_language": language, "metric": METRICS[task]}
                ids = [f"{task}-{index}" if task == "math" else f"{language}-{index}" for index in range(len(values))]
                items += [
                    {"run_id": run["run_id"], **cell, "item_id": item, "score": float(value)}
                    for item, value in zip(ids, values, strict=True)
                ]
                stderr = float(values.std(ddof=1) / len(values) ** 0.5)
                scores.append(about | cell | {"score": float(values.mean()), "stderr": stderr, "n_items": len(values)})
    return pd.DataFrame(scores), pd.DataFrame(items)
