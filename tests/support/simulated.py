"""Simulated evaluations with known truth: accuracies on items of unequal difficulty, shared by runs and languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clt_ray.analysis.study import Study

LANGUAGES = ("en", "es", "ja", "ko", "ar")
SPREAD = 0.25
"""Items' chances to be solved lie this far around a language's mean."""


@dataclass(frozen=True)
class Design:
    """One run of the design and what it is expected to score."""

    name: str
    group: str
    trained: str
    samples: int
    expected: Sequence[float]
    """Per language of `LANGUAGES`."""
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
    """One evaluation.

    Args:
        designs: The runs.
        rng: Of everything random.
        items: Per language, translated: the same ones in every language.
        run_noise: Standard deviation of what a run scores in all languages.
        effect_spread: Standard deviation over items of what training with n > 0 does to them.
        draws: Resamples.
        languages: Evaluated.
    """
    difficulty = rng.uniform(-SPREAD, SPREAD, items)
    effect = rng.normal(0, effect_spread, items)
    ids = [f"i{place}" for place in range(items)]
    scores, tables = [], []
    for design in designs:
        luck = rng.normal(0, run_noise) if run_noise else 0.0
        moved = difficulty + (effect if design.samples else 0.0) + luck
        chance = np.asarray(design.expected)[:, None] + moved
        assert run_noise or effect_spread or (chance.min() >= 0 and chance.max() <= 1)
        values = (rng.random(chance.shape) < chance).astype(float)
        about = {"run_id": design.name, "model": "m", "setting": design.setting, "task": "math", "seed": design.seed,
                 "language_group": design.group, "train_languages": design.trained,
                 "samples_per_language": design.samples, "metric": "accuracy", "stderr": 0.1,
                 "n_items": items}  # fmt: skip
        scores += [
            about | {"eval_language": code, "score": own.mean()} for code, own in zip(languages, values, strict=True)
        ]
        tables.append(
            {"run_id": np.repeat(design.name, values.size), "eval_language": np.repeat(languages, items),
             "item_id": np.tile(ids, len(languages)), "score": values.reshape(-1)}
        )  # fmt: skip
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    frame = pd.DataFrame(columns).assign(task="math", metric="accuracy")
    return Study.of(pd.DataFrame(scores), frame, draws=draws, seed=int(rng.integers(1 << 30)))
