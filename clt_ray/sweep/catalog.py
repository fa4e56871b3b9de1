"""Names that a sweep file may use without defining them: models, language groups, controls and sets of tasks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from clt_ray.tasks import TASKS

TASK_SEPARATOR = "+"
"""Joins the names of tasks that are trained together."""

ENGLISH_ONLY = "none"
"""Language group of runs that train on English only because n = 0."""

CONTROL = "english:"
"""Prefix of the name of a group's equal-volume control: `english:all` replaces the rows in the languages of `all` by as
many English rows."""

BUNDLED = "bundled"
"""Source of the model that the package ships."""

MODELS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "tiny": {"source": BUNDLED, "architecture": "llama"},
        "llama-3.1-8b": {"source": "meta-llama/Llama-3.1-8B", "parameters": 8_030_261_248, "architecture": "llama"},
        "aya-23-8b": {"source": "CohereLabs/aya-23-8B", "parameters": 8_028_033_024, "architecture": "cohere"},
        "aya-23-35b": {"source": "CohereLabs/aya-23-35B", "parameters": 34_980_831_232, "architecture": "cohere"},
    }
)
"""Built-in models by their name in sweep files. The numbers of parameters are computed from the published
configurations and count tied embeddings once."""

LANGUAGE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"all": ("es", "fr", "ja", "zh"), "latin": ("es", "fr"), "non_latin": ("ja", "zh")}
)
"""Default language groups: the training languages of arXiv 2504.16677, all together and split by script."""


def parse_tasks(text: str) -> tuple[str, ...]:
    """Returns the tasks of a cell in canonical order; raises `ValueError` for unknown or repeated ones."""
    named = text.split(TASK_SEPARATOR)
    if not set(named) <= set(TASKS) or len(set(named)) != len(named):
        raise ValueError(text)
    return tuple(task for task in TASKS if task in named)


def controlled_group(name: str) -> str | None:
    """Returns the group whose equal-volume control this is: "english:all" -> "all"; None for other groups."""
    return name.removeprefix(CONTROL) if name.startswith(CONTROL) else None
