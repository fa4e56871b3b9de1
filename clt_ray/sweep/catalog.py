"""Names that a sweep file may use without defining them: models, language groups, and mixtures of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from clt_ray.tasks import TASKS

TASK_SEPARATOR = "+"

ENGLISH_ONLY = "none"
"""Language group of a run with no non-English rows."""

CONTROL = "english:"
"""Start of the name of a group's equal-volume control: `english:all` has as many English rows in place of those in
the languages of `all`."""

BUNDLED = "bundled"
"""Source of the model shipped with the package."""

MODELS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "tiny": {"source": BUNDLED, "architecture": "llama"},
        "llama-3.1-8b": {
            "source": "meta-llama/Llama-3.1-8B",
            "parameters": 8_030_261_248,
            "architecture": "llama",
        },
        "aya-23-8b": {
            "source": "CohereLabs/aya-23-8B",
            "parameters": 8_028_033_024,
            "architecture": "cohere",
        },
        "aya-23-35b": {
            "source": "CohereLabs/aya-23-35B",
            "parameters": 34_980_831_232,
            "architecture": "cohere",
        },
    }
)
"""Models by the name they have in sweep files. Parameters are counted from the published configurations, tied
embeddings once."""

LANGUAGE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"all": ("es", "fr", "ja", "zh"), "latin": ("es", "fr"), "non_latin": ("ja", "zh")}
)
"""The training languages of arXiv 2504.16677: together, and split by script."""


def parse_tasks(text: str) -> tuple[str, ...]:
    """The tasks that a cell names, in canonical order: "math+summarization" -> ("summarization", "math").

    Raises:
        ValueError: An unknown task, or one named twice.
    """
    named = text.split(TASK_SEPARATOR)
    if not set(named) <= set(TASKS) or len(set(named)) != len(named):
        raise ValueError(text)
    return tuple(task for task in TASKS if task in named)


def controlled_group(name: str) -> str | None:
    """The language group that a group of this name is the equal-volume control of: "english:all" -> "all"."""
    return name.removeprefix(CONTROL) if name.startswith(CONTROL) else None
