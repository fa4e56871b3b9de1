"""The look that all figures share: colours, and the matplotlib settings under which figures are made.

Colours are Okabe and Ito's (Color Universal Design, 2008), which readers with any common colour vision tell apart.
"""

from contextlib import AbstractContextManager
from typing import Any, Final

import matplotlib

from clt_ray.tasks import TASKS

INK: Final = "#222221"
MUTED: Final = "#6b6b6a"
GRID: Final = "#dededd"
PAPER: Final = "#fffffe"
"""Fill of open markers; the page replaces it by its own background."""
ENGLISH: Final = "#8a8a89"
BLUE: Final = "#0072b2"
VERMILLION: Final = "#d55e00"
OTHER_COLOURS: Final = ("#cc79a7", "#e69f00", "#56b4e9")

_RC: Final[dict[Any, Any]] = {
    "font.family": "sans-serif", "font.size": 8.5, "text.color": INK,
    "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "axes.linewidth": 0.6, "axes.axisbelow": True,
    "axes.titlesize": 9, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlecolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID, "grid.linewidth": 0.6,
    "xtick.color": MUTED, "xtick.labelsize": 7.5, "xtick.major.size": 3,
    "ytick.color": MUTED, "ytick.labelsize": 7.5, "ytick.major.size": 0,
    "lines.linewidth": 1.7, "lines.markersize": 3.6,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "svg.fonttype": "none",
    # Names come from files, so a dollar sign in them does not start a formula.
    "text.parse_math": False,
}  # fmt: skip


def styled() -> AbstractContextManager[None]:
    """Returns a context with the matplotlib settings under which figures are made and written."""
    return matplotlib.rc_context(_RC)


def task_colour(task: str) -> str:
    """Returns the colour of a task, the same in every figure."""
    return TASKS[task].colour if task in TASKS else OTHER_COLOURS[sum(task.encode()) % len(OTHER_COLOURS)]
