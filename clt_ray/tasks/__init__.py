"""Tasks: one declaration for each, read by every part of the package.

    TASKS["math"].metrics           # the metrics of its scorer
    TASKS["math"].max_new_tokens    # 512
    list(TASKS)                     # canonical order: summarization, instruction, math, then those of plug-ins by name

Another package adds a task through an entry point of the group `clt_ray.tasks`; docs/extend.md has a recipe.
"""

from collections.abc import Collection

from clt_ray.errors import CltRayError
from clt_ray.plugins import Registry
from clt_ray.tasks.built_in import INSTRUCTION, MATH, SUMMARIZATION
from clt_ray.tasks.declaration import FIDELITY, HubFiles, Metric, ScoreFunction, Task, TaskLanguage

__all__ = [
    "FIDELITY", "TASKS", "HubFiles", "Metric", "ScoreFunction", "Task", "TaskLanguage", "UnknownTaskError",
    "in_canonical_order", "task_of",
]  # fmt: skip

TASKS: Registry[Task] = Registry("clt_ray.tasks", Task, (SUMMARIZATION, INSTRUCTION, MATH))
"""All known tasks by name, in canonical order."""


class UnknownTaskError(CltRayError, LookupError):
    """Raised for the name of a task that no installed package declares."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no installed package declares the task {name!r}; known tasks: {', '.join(TASKS)}\n"
            "    install the package that declares it in the group clt_ray.tasks, on every node"
        )


def task_of(name: str) -> Task:
    """Returns the declaration of a task.

    Raises:
        UnknownTaskError: No installed package declares it.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise UnknownTaskError(name) from None


def in_canonical_order(names: Collection[str]) -> tuple[str, ...]:
    """Returns the names of tasks in canonical order.

    Raises:
        UnknownTaskError: No installed package declares one of them.
    """
    for name in names:
        task_of(name)
    return tuple(name for name in TASKS if name in names)
