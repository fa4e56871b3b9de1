"""Sweeps for tests: a tiny one that trains on the bundled model and corpus, and a small one that is only planned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep import RunSpec, expand, parse_sweep

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
SMALL: dict[str, Any] = {
    "name": "small",
    "grid": {"model": ["llama-3.1-8b"], "task": ["math"], "samples_per_language": [0, 100]},
}
TPU = {"accelerator": "TPU-V5LITEPOD", "topology": "8x8", "mesh": "64x1"}


def sweep(**changes: Any) -> dict[str, Any]:
    """The tiny sweep with top-level keys changed; mappings are merged one level deep."""
    return _changed(TINY, {key: _merged(TINY.get(key), value) for key, value in changes.items()})


def small_sweep(**changes: Any) -> dict[str, Any]:
    """The small sweep with top-level keys replaced; None removes one."""
    return _changed(SMALL, changes)


def runs_of(**changes: Any) -> tuple[RunSpec, ...]:
    return expand(parse_sweep(small_sweep(**changes)))


def problems_of(**changes: Any) -> tuple[Problem, ...]:
    """The problems of a small sweep with some keys replaced; none when it is valid."""
    try:
        parse_sweep(small_sweep(**changes))
    except ConfigurationError as error:
        return error.problems
    return ()


def write(path: Path, document: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return str(path)


def _changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


def _merged(old: Any, new: Any) -> Any:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
