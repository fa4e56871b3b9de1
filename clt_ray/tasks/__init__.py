"""Tasks: one declaration for each, read by every part of the package.

    TASKS["math"].metrics           # the metrics of its scorer
    TASKS["math"].max_new_tokens    # 512
    list(TASKS)                     # canonical order: summarization, instruction, math, then those of plug-ins by name

Another package adds a task through an entry point of the group `clt_ray.tasks`; docs/extend.md has a recipe.
"""

from collections.abc import Collection
from importlib import resources

import yaml
from pydantic import TypeAdapter

from clt_ray.plugins import Registry
from clt_ray.tasks.declaration import FIDELITY, HubFiles, Metric, ScoreFunction, Task, TaskLanguage

__all__ = [
    "FIDELITY", "TASKS", "HubFiles", "Metric", "ScoreFunction", "Task", "TaskLanguage", "in_canonical_order",
]  # fmt: skip

_FILE = resources.files(__package__).joinpath("built_in.yaml").read_text(encoding="utf-8")

TASKS: Registry[Task] = Registry(
    "clt_ray.tasks", Task, TypeAdapter(tuple[Task, ...]).validate_python(yaml.safe_load(_FILE))
)
"""All known tasks by name, in canonical order."""


def in_canonical_order(names: Collection[str]) -> tuple[str, ...]:
    """Returns the names of tasks in canonical order.

    Raises:
        UnknownNameError: No installed package declares one of them.
    """
    for name in names:
        TASKS.require(name)
    return tuple(name for name in TASKS if name in names)
