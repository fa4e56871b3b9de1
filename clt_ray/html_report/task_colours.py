"""Style sheet of the colours that tasks declare, for the page and the figures in it."""

from __future__ import annotations

from clt_ray.tasks import TASKS


def variable(task: str) -> str:
    """Returns the CSS variable of a task's colour."""
    return f"--task-{task}"


def style_sheet() -> str:
    """Returns one CSS variable and one class for each task; on a dark page the variables have the dark colours."""
    light = " ".join(f"{variable(name)}: {task.colour};" for name, task in TASKS.items())
    dark = " ".join(f"{variable(name)}: {task.dark_colour or task.colour};" for name, task in TASKS.items())
    classes = "\n".join(f".task-{name} {{ --task: var({variable(name)}); }}" for name in TASKS)
    return (
        f":root {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f"@media print {{ :root {{ {light} }} }}\n"
        f"{classes}\n"
    )
