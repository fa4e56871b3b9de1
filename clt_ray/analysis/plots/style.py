"""The look that all figures share: colours, the axis of samples per language, panels, labels at line ends.

Colours are Okabe and Ito's (Color Universal Design, 2008), which readers with any common colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import log10
from typing import Any, Final, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from clt_ray.analysis.display_order import count_label
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
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.7,
    "lines.markersize": 3.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    # Names come from files, so a dollar sign in them does not start a formula.
    "text.parse_math": False,
}

_LABEL_GAP_POINTS: Final = 10.0
_TICK_GAP_INCHES: Final = 0.27
_WIDTH_PER_CHARACTER: Final = 0.62
"""Width of an average character of a wide sans serif face, as a share of the font size."""


LineEnd: TypeAlias = tuple[float, str, str]
"""The end of a line: its y value, its label, and its colour."""


@contextmanager
def styled() -> Iterator[None]:
    """Sets the matplotlib settings under which figures are made and written."""
    with matplotlib.rc_context(_RC):
        yield


def task_colour(task: str) -> str:
    """Returns the colour of a task, the same in every figure."""
    return TASKS[task].colour if task in TASKS else OTHER_COLOURS[sum(task.encode()) % len(OTHER_COLOURS)]


@dataclass(frozen=True)
class Grid:
    """Sizes of a figure of small multiples, in inches."""

    panels: int
    """Number of panels."""
    columns: int
    """Number of panels in a row."""
    width: float = 1.75
    """Width of one panel's axes."""
    height: float = 1.7
    """Height of one panel's axes."""
    left: float = 0.45
    """Margin left of the first column."""
    gap: float = 0.65
    """Distance between columns; it holds the labels at line ends unless only the last column has labels."""
    right: float = 0.65
    """Margin right of the last column."""
    top: float = 0.5
    """Margin above the first row."""
    bottom: float = 0.5
    """Margin below the last row."""
    row_gap: float = 0.8
    """Distance between rows."""

    @property
    def rows(self) -> int:
        return -(-self.panels // self.columns)


def columns_for(count: int) -> int:
    """Returns a number of columns, at most 3, that leaves few places of `count` panels empty."""
    return 2 if count == 4 else min(count, 3)


def panels(grid: Grid, *, share_x: bool = True, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Returns a figure and the axes of its panels, row by row."""
    step = grid.width + grid.gap
    whole_width = grid.left + grid.columns * step - grid.gap + grid.right
    whole_height = grid.top + grid.rows * grid.height + (grid.rows - 1) * grid.row_gap + grid.bottom
    figure = Figure(figsize=(whole_width, whole_height))
    axes: list[Axes] = []
    for index in range(grid.panels):
        row, column = divmod(index, grid.columns)
        bottom = whole_height - grid.top - (row + 1) * grid.height - row * grid.row_gap
        box = (
            (grid.left + column * step) / whole_width,
            bottom / whole_height,
            grid.width / whole_width,
            grid.height / whole_height,
        )
        first = axes[0] if axes else None
        new = figure.add_axes(box, sharex=first if share_x else None, sharey=first if share_y else None)
        if share_y and column:
            new.tick_params(labelleft=False)
        axes.append(new)
    return figure, axes


def samples_axis(axes: Sequence[Axes], samples: Sequence[int], width: float) -> None:
    """Sets up the x axis of samples per language: logarithmic, with a separate place for 0 at the left.

    Args:
        axes: Axes that share their x axis, so that setting the first one sets all.
        samples: Every n that occurs; those with room for a label become ticks.
        width: Width of one panel's axes in inches.
    """
    values = sorted(set(samples))
    positive = [value for value in values if value > 0]
    if not positive:
        axes[0].set_xlim(-1, 1)
        axes[0].set_xticks([0], ["0"])
        return
    # 0 is as far from the smallest n as the smallest n is from 2.5 times itself.
    decades = log10(positive[-1] / positive[0])
    linear = 0.4 if 0 in values else 0.0
    places = {value: linear + log10(value / positive[0]) if value else 0.0 for value in values}
    labelled = _with_room(values, places, (decades + linear) or 1.0, width)
    axis = axes[0]
    axis.set_xscale("symlog", linthresh=positive[0], linscale=max(linear, 0.01), base=10)
    axis.set_xlim(_margins(values, positive, linear, decades))
    axis.xaxis.set_major_locator(FixedLocator(sorted(labelled)))
    axis.xaxis.set_major_formatter(lambda value, _: count_label(round(value)))
    axis.xaxis.set_minor_locator(NullLocator())


def line_labels(axis: Axes, ends: Sequence[LineEnd]) -> None:
    """Writes the names of lines at the right edge of a panel, each as close to its line's end as the others allow.

    Args:
        axis: The panel, whose limits are already set.
        ends: The ends of the lines.
    """
    low, high = axis.get_ylim()
    figure = axis.get_figure(root=True)
    assert figure is not None
    points = axis.get_position().height * figure.get_size_inches()[1] * 72
    positions = [(y - low) / (high - low) * points for y, _, _ in ends]
    for height, (_, text, colour) in zip(spread(positions, _LABEL_GAP_POINTS, 0, points), ends, strict=True):
        axis.annotate(
            text, (1, 0), (5, height), xycoords="axes fraction", textcoords="offset points",
            color=colour, va="center", ha="left", annotation_clip=False,
        )  # fmt: skip


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves positions at least `gap` apart with the least squared displacement, within the limits if they fit.

    Least squares under an order with gaps is isotonic regression of `position - rank * gap`, which the pool adjacent
    violators algorithm solves.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([positions[index] - rank * gap, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            value, size = pools.pop()
            before = pools[-1]
            pools[-1] = [(before[0] * before[1] + value * size) / (before[1] + size), before[1] + size]
    fitted = [value for value, size in pools for _ in range(int(size))]
    top = high - (len(positions) - 1) * gap
    placed = [0.0] * len(positions)
    for rank, index in enumerate(order):
        placed[index] = min(max(fitted[rank], low), max(top, low)) + rank * gap
    return placed


def ribbon(axis: Axes, x: Any, low: Any, high: Any, colour: str) -> None:
    """Draws the interval around a line where it is known."""
    x, low, high = (np.asarray(values, dtype=float) for values in (x, low, high))
    known = np.isfinite(low) & np.isfinite(high)
    axis.fill_between(x[known], low[known], high[known], color=colour, alpha=0.16, linewidth=0)


def header(axis: Axes, title: str, note: str, room: float) -> None:
    """Writes the title of a panel in bold and a note below it, both shortened to `room` inches."""
    for text, offset, size, weight, colour in (
        (title, 15, 9.0, "bold", INK),
        (note, 4, 7.5, "normal", MUTED),
    ):
        axis.annotate(
            fitted(text, room, size), (0, 1), (0, offset), xycoords="axes fraction", textcoords="offset points",
            color=colour, fontsize=size, fontweight=weight, va="bottom", ha="left", annotation_clip=False,
        )  # fmt: skip


def curve_header(axis: Axes, label: str, room: float) -> None:
    """Writes a curve's label as a header: its first part as the title, the rest as the note."""
    title, _, note = label.partition(", ")
    header(axis, title, note, room)


def fitted(text: str, inches: float, size: float) -> str:
    """Returns the text, shortened with an ellipsis if it does not fit."""
    most = max(4, int(inches * 72 / (_WIDTH_PER_CHARACTER * size)))
    return text if len(text) <= most else text[: most - 1] + "…"


def foot(figure: Figure, unit: str) -> None:
    """Writes what the axes of a curve figure measure."""
    text = f"x: samples per non-English training language;  y: {unit}"
    figure.text(0.012, 0.09 / figure.get_size_inches()[1], text, color=MUTED, fontsize=7.5, va="bottom", ha="left")


def _with_room(values: list[int], places: dict[int, float], whole: float, width: float) -> set[int]:
    """Returns the values whose labels do not touch, choosing the ends first, then powers of ten."""
    chosen: list[int] = []
    ends = (values[0], values[-1])
    order = sorted(values, key=lambda value: (value not in ends, str(value).strip("0") != "1", value))
    for value in order:
        room = _TICK_GAP_INCHES * whole / width
        if all(abs(places[value] - places[other]) >= room for other in chosen):
            chosen.append(value)
    return set(chosen)


def _margins(values: list[int], positive: list[int], linear: float, decades: float) -> tuple[float, float]:
    """Returns the limits of the axis, slightly beyond the outermost values."""
    pad = 0.04 * (linear + decades) or 0.3
    left = -positive[0] * pad / linear if linear else positive[0] / 10**pad
    return left, values[-1] * 10**pad
