"""Figures of small multiples: their panels, the axis of samples per language, titles, notes, labels at line ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import Any, Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.optimize import isotonic_regression

from clt_ray.analysis.labels import count_label
from clt_ray.analysis.plots.style import INK, MUTED

_LABEL_GAP_POINTS: Final = 10.0
_TICK_GAP_INCHES: Final = 0.27
_WIDTH_PER_CHARACTER: Final = 0.62
"""Width of an average character of a wide sans serif face, as a share of the font size."""

LineEnd: TypeAlias = tuple[float, str, str]
"""The end of a line: its y value, its label, and its colour."""


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
    left: float = 0.45
    """Margin left of the first column."""
    gap: float = 0.65
    """Distance between columns; it holds the labels at line ends unless only the last column has labels."""
    right: float = 0.65
    top: float = 0.5
    bottom: float = 0.5
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
        left = grid.left + column * step
        box = (left / whole_width, bottom / whole_height, grid.width / whole_width, grid.height / whole_height)
        first = axes[0] if axes else None
        new = figure.add_axes(box, sharex=first if share_x else None, sharey=first if share_y else None)
        if share_y and column:
            new.tick_params(labelleft=False)
        axes.append(new)
    return figure, axes


def samples_axis(axes: Sequence[Axes], samples: Sequence[int], width: float) -> None:
    """Sets up the shared x axis of samples per language: logarithmic, with a separate place for 0 at the left.

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
    pad = 0.04 * (linear + decades) or 0.3
    left = -positive[0] * pad / linear if linear else positive[0] / 10**pad
    axis.set_xlim(left, values[-1] * 10**pad)
    axis.xaxis.set_major_locator(FixedLocator(sorted(labelled)))
    axis.xaxis.set_major_formatter(lambda value, _: count_label(round(value)))
    axis.xaxis.set_minor_locator(NullLocator())


def line_labels(axis: Axes, ends: Sequence[LineEnd]) -> None:
    """Writes the names of lines right of a panel whose limits are set, each as near its line's end as others allow."""
    figure = axis.get_figure(root=True)
    assert figure is not None
    points = axis.get_position().height * figure.get_size_inches()[1] * 72
    to_fraction = axis.transScale + axis.transLimits
    positions = [float(to_fraction.transform((1.0, y))[1]) * points for y, _, _ in ends]
    for height, (_, text, colour) in zip(spread(positions, _LABEL_GAP_POINTS, 0, points), ends, strict=True):
        axis.annotate(
            text, (1, 0), (5, height), xycoords="axes fraction", textcoords="offset points",
            color=colour, va="center", ha="left", annotation_clip=False,
        )  # fmt: skip


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves positions at least `gap` apart with the least squared displacement, within the limits if they fit.

    Least squares under an order with gaps is isotonic regression of `position - rank * gap`.
    """
    if not positions:
        return []
    order = np.argsort(positions, kind="stable")
    offsets = np.arange(len(positions)) * gap
    targets = isotonic_regression(np.asarray(positions)[order] - offsets).x
    placed = np.empty(len(positions))
    placed[order] = np.clip(targets, low, max(high - offsets[-1], low)) + offsets
    return [float(position) for position in placed]


def ribbon(axis: Axes, x: Any, low: Any, high: Any, colour: str) -> None:
    """Draws the interval around a line where it is known."""
    x, low, high = (np.asarray(values, dtype=float) for values in (x, low, high))
    known = np.isfinite(low) & np.isfinite(high)
    axis.fill_between(x[known], low[known], high[known], color=colour, alpha=0.16, linewidth=0)


def header(axis: Axes, title: str, note: str, room: float) -> None:
    """Writes the title of a panel in bold and a note below it, both shortened to `room` inches."""
    for text, offset, size, weight, colour in ((title, 15, 9.0, "bold", INK), (note, 4, 7.5, "normal", MUTED)):
        axis.annotate(
            fitted(text, room, size), (0, 1), (0, offset), xycoords="axes fraction", textcoords="offset points",
            color=colour, fontsize=size, fontweight=weight, va="bottom", ha="left", annotation_clip=False,
        )  # fmt: skip


def curve_header(axis: Axes, label: str, room: float) -> None:
    """Writes a curve's label as a header: its first part as the title, the rest as the note."""
    title, _, note = label.partition(", ")
    header(axis, title, note, room)


def signed(value: float) -> str:
    """Returns a number with its sign and a real minus; zero has none."""
    return f"{value:+g}".replace("-", "−") if abs(value) > 1e-9 else "0"


def fitted(text: str, inches: float, size: float) -> str:
    """Returns the text, shortened with an ellipsis if it does not fit."""
    most = max(4, int(inches * 72 / (_WIDTH_PER_CHARACTER * size)))
    return text if len(text) <= most else text[: most - 1] + "…"


def foot(figure: Figure, text: str) -> None:
    """Writes a note below the panels, for instance what the axes measure."""
    figure.text(0.012, 0.09 / figure.get_size_inches()[1], text, color=MUTED, fontsize=7.5, va="bottom", ha="left")


def _with_room(values: list[int], places: dict[int, float], whole: float, width: float) -> set[int]:
    """Returns the values whose labels do not touch, choosing the ends first, then powers of ten."""
    chosen: list[int] = []
    ends = (values[0], values[-1])
    room = _TICK_GAP_INCHES * whole / width
    for value in sorted(values, key=lambda value: (value not in ends, str(value).strip("0") != "1", value)):
        if all(abs(places[value] - places[other]) >= room for other in chosen):
            chosen.append(value)
    return set(chosen)
