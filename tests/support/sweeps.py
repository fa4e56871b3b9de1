"""Small sweeps for tests, on the bundled model and corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

TINY: dict[str, Any] = {
    "name": "test",
    "grid": {"model": ["tiny"], "task": ["math"], "language_group": ["all"], "samples_per_language": [0, 8]},
    "language_groups": {"all": ["es", "ja"]},
    "english_samples": 48,
    "eval_languages": ["en", "es", "ja", "ko"],
    "data": {task: {"bundled": True} for task in ("summarization", "instruction", "math")},
    "training": {
        "batch_size": 16, "learning_rate": 1e-3, "epochs": 2, "eval_every": 2, "max_length": 128,
        "precision": "fp32",
    },
    "validation": {"samples_per_language": 6},
    "evaluation": {"samples_per_language": 6, "max_new_tokens": 12},
}  # fmt: skip


def sweep(**changes: Any) -> dict[str, Any]:
    """The tiny sweep with top-level keys replaced; mappings are merged one level deep."""
    document = dict(TINY)
    for key, value in changes.items():
        old = document.get(key)
        document[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return document


def write(path: Path, document: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return str(path)
