"""A made-up sweep that allows every section of the report: sizes, one-language groups, controls, seeds, fidelity."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
MODELS = {"toy-1b": 0.25, "toy-3b": 0.2, "toy-9b": 0.15}
"""Model -> what its trained languages gain."""
GROUPS = {
    "all": "es+fr+ja+zh", "es": "es", "ja": "ja", "latin": "es+fr", "non_latin": "ja+zh", "english:4": "en",
}  # fmt: skip
METRICS = {"math": "accuracy", "summarization": "rougeL"}
ITEMS = 60


def sweep(seeds: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and item scores; items are shared by all runs, and in math by all languages."""
    rng = np.random.default_rng(5)
    difficulty = {(task, language): rng.normal(0, 0.1, ITEMS) for task, language in product(METRICS, LANGUAGES)}
    scores, items = [], []
    for model, task, (group, trained), n, seed in product(MODELS, METRICS, GROUPS.items(), (0, 100, 400), range(seeds)):
        if n == 0 and group != "all":
            continue
        run = f"{model}-{task}-{group if n else 'none'}-{n}-{seed}"
        about = {"run_id": run, "model": model, "setting": "single", "task": task, "seed": seed,
                 "language_group": group if n else "none", "train_languages": trained if n else "",
                 "samples_per_language": n}  # fmt: skip
        luck = rng.normal(0, 0.01)
        for language in LANGUAGES:
            lift = MODELS[model] * (1.0 if language in trained.split("+") else 0.3 if group != "english:4" else 0.1)
            expected = (0.7 if language == "en" else 0.3 + lift * min(n, 300) / 300) + luck
            values = np.clip(expected + difficulty[task, "en" if task == "math" else language], 0, 1)
            if task == "math":
                values = (rng.random(ITEMS) < values).astype(float)
            cell = {"task": task, "eval_language": language, "metric": METRICS[task]}
            ids = [f"{'' if task == 'math' else language}{index}" for index in range(ITEMS)]
            items.append(pd.DataFrame({"run_id": run} | cell | {"item_id": ids, "score": values}))
            scores.append(
                about | cell | {"score": values.mean(), "stderr": values.std() / ITEMS**0.5, "n_items": ITEMS}
            )
            right = 1.0 if n or language == "en" else 0.75
            scores.append(about | cell | {"metric": "fidelity", "score": right, "stderr": 0.0, "n_items": ITEMS})
    return pd.DataFrame(scores), pd.concat(items)
