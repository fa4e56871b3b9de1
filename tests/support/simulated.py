"""Simulated evaluations with known truth: accuracies on items of unequal difficulty, shared by runs and languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clt_ray.analysis.study import Study

LANGUAGES = ("en", "es", "ja", "ko", "ar")
SPREAD = 0.25
"""Largest deviation of an item's probability of being solved from the mean of its language."""


@dataclass(frozen=True)
class Design:
    """One run of the design with its expected scores."""

    name: str
    group: str
    trained: str
    samples: int
    expected: Sequence[float]
    """Expected accuracy in each language of `LANGUAGES`."""
    setting: str = "single"
    seed: int = 0


def simulate(
    designs: Sequence[Design],
    rng: np.random.Generator,
    *,
    items: int,
    run_noise: float = 0.0,
    effect_spread: float = 0.0,
    draws: int = 600,
    languages: Sequence[str] = LANGUAGES,
) -> Study:
    """Returns a study of one simulated evaluation.

    Args:
        designs: The runs.
        rng: Random generator of everything.
        items: Number of items per language; they are translated, so all languages share them.
        run_noise: Standard deviation of a run's deviation, which is common to all of its languages.
        effect_spread: Standard deviation over items of the effect of training with n > 0.
        draws: Number of bootstrap resamples.
        languages: Evaluation languages.
    """
    difficulty = rng.uniform(-SPREAD, SPREAD, items)
    effect = rng.normal(0, effect_spread, items)
    ids = [f"i{place}" for place in range(items)]
    scores, tables = [], []
    for design in designs:
        run_deviation = rng.normal(0, run_noise) if run_noise else 0.0
        deviations = difficulty + (effect if design.samples else 0.0) + run_deviation
        probability = np.asarray(design.expected)[:, None] + deviations
        assert run_noise or effect_spread or (probability.min() >= 0 and probability.max() <= 1)
        values = (rng.random(probability.shape) < probability).astype(float)
        run = {
            "run_id": design.name, "model": "m", "setting": design.setting, "task": "math", "seed": design.seed,
            "language_group": design.group, "train_languages": design.trained, "metric": "accuracy", "stderr": 0.1,
            "samples_per_language": design.samples, "n_items": items,
        }  # fmt: skip
        scores += [
            run | {"eval_language": code, "score": answers.mean()}
            for code, answers in zip(languages, values, strict=True)
        ]
        tables.append(
            {"run_id": np.repeat(design.name, values.size), "eval_language": np.repeat(languages, items),
             "item_id": np.tile(ids, len(languages)), "score": values.reshape(-1)}
        )  # fmt: skip
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    frame = pd.DataFrame(columns).assign(task="math", metric="accuracy")
    return Study.of(pd.DataFrame(scores), frame, draws=draws, seed=int(rng.integers(1 << 30)))
