"""Curves over samples per language: relative to English, seen and unseen languages, and every language."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from clt_ray.analysis.labels import curve_labels, key_of, language_name, language_order
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.plots.panels import (
    Grid,
    LineEnd,
    columns_for,
    curve_header,
    foot,
    line_labels,
    panels,
    ribbon,
    samples_axis,
)
from clt_ray.analysis.plots.style import ENGLISH, MUTED, PAPER, styled, task_colour

_SAMPLES: Final = "x: samples per non-English training language"
DASHES: Final = (0, (3.2, 1.8))
"""Line style of languages that are not in the training data."""


@dataclass(frozen=True)
class Line:
    """How one column of a table is drawn as a line."""

    column: str
    """Column of the values."""
    label: str
    """Name at the end of the line; empty for none."""
    colour: str
    low: str = ""
    """Column of the interval's lower end; empty for no ribbon."""
    high: str = ""
    dashed: bool = False
    """Whether the line is dashed and its markers open."""
    factor: float = 1.0
    """Shown number per stored number."""
    width: float = 1.7
    """Width of the line in points."""
    shift: float = 0.0
    """Offset to the right in points of a line with a single point, so that several at the same n stand side by side."""


def draw(axis: Axes, rows: pd.DataFrame, line: Line) -> LineEnd | None:
    """Draws a line over `samples_per_language` and returns its end, for its label; None when it has no point."""
    rows = rows[np.isfinite(rows[line.column].astype(float))].sort_values("samples_per_language")
    if rows.empty:
        return None
    x = rows["samples_per_language"].to_numpy()
    y = rows[line.column].to_numpy(dtype=float) * line.factor
    transform = axis.transData
    if len(x) == 1:
        transform = transform + ScaledTranslation(line.shift / 72, 0, axis.figure.dpi_scale_trans)
    if line.low and len(x) == 1:
        axis.plot([x[0]] * 2, [rows[end].iloc[0] * line.factor for end in (line.low, line.high)],
                  color=line.colour, linewidth=1.1, alpha=0.7, transform=transform)  # fmt: skip
    elif line.low:
        ribbon(axis, x, rows[line.low] * line.factor, rows[line.high] * line.factor, line.colour)
    axis.plot(x, y, color=line.colour, linewidth=line.width, linestyle=DASHES if line.dashed else "-", marker="o",
              markerfacecolor=PAPER if line.dashed else line.colour, markeredgewidth=1,
              markersize=3.6 if line.width > 1 else 2.2, clip_on=False, transform=transform)  # fmt: skip
    return (float(y[-1]), line.label, line.colour) if line.label else None


def value_limits(frames: list[pd.Series], floor: float | None, ceiling: float | None) -> tuple[float, float]:
    """Returns axis limits that contain all finite values with a margin, within the range of the metric."""
    values = np.concatenate(frames).astype(float)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or 0.05 * (abs(high) or 1)
    low, high = low - pad, high + pad
    return (low if floor is None else max(low, floor)), (high if ceiling is None else min(high, ceiling))


def plot_relative_to_english(table: pd.DataFrame, reference: pd.DataFrame | None = None) -> Figure:
    """Plots `tables.relative_to_english`: one panel per model, setting and language group with one line per task.

    The reference, the same table of another study, is drawn as thin lines behind the panels of the same setting.
    """
    labels = curve_labels(table)
    keys = table.apply(key_of, axis=1)
    with styled():
        grid = Grid(len(labels), columns_for(len(labels)), gap=1.0, right=1.0)
        figure, axes = panels(grid)
        shown = [table["relative_to_english"] * 100, table["low"] * 100, table["high"] * 100]
        axes[0].set_ylim(value_limits([*shown, pd.Series([100.0])], 0, 160))
        samples_axis(axes, table["samples_per_language"].to_list(), grid.width)
        for axis, (key, label) in zip(axes, labels.items(), strict=True):
            axis.axhline(100, color=ENGLISH, linewidth=1)
            if reference is not None:
                _behind(axis, reference[reference["setting"] == key[1]])
            rows = table[keys == key]
            ends = [(100.0, "English", MUTED)]
            for task in rows["task"].unique():
                line = Line("relative_to_english", task_label(task).split()[0], task_colour(task), "low", "high",
                            factor=100, shift=5.0 - 5 * len(ends))  # fmt: skip
                end = draw(axis, rows[rows["task"] == task], line)
                ends += [end] if end else []
            curve_header(axis, label, grid.width + grid.gap)
            line_labels(axis, ends)
        foot(figure, f"{_SAMPLES};  y: mean of the non-English languages, % of the English score")
    return figure


def _behind(axis: Axes, reference: pd.DataFrame) -> None:
    largest = axis.get_xlim()[1]
    for (task, *_), rows in reference.groupby(["task", "model", "language_group"], sort=False):
        visible = rows[rows["samples_per_language"] <= largest]
        axis.plot(visible["samples_per_language"], visible["relative_to_english"] * 100,
                  color=task_colour(str(task)), linewidth=0.6, alpha=0.45, zorder=1)  # fmt: skip


def plot_seen_unseen(table: pd.DataFrame) -> Figure:
    """Plots a task's rows of `tables.seen_unseen`, one panel per curve: seen solid, unseen dashed, English grey."""
    score_metric = metric(str(table["metric"].iloc[0]))
    labels = curve_labels(table)
    keys = table.apply(key_of, axis=1)
    colour = task_colour(str(table["task"].iloc[0]))
    factor = score_metric.shown_factor
    lines = (
        Line("english", "English", ENGLISH, "english_low", "english_high", factor=factor, width=1.2, shift=-10),
        Line("seen", "seen", colour, "seen_low", "seen_high", factor=factor, shift=-5),
        Line("unseen", "unseen", colour, "unseen_low", "unseen_high", dashed=True, factor=factor),
    )
    with styled():
        grid = Grid(len(labels), columns_for(len(labels)))
        figure, axes = panels(grid)
        shown = [table[name] * factor for line in lines for name in (line.column, line.low, line.high)]
        axes[0].set_ylim(value_limits(shown, score_metric.low * factor, score_metric.high * factor))
        samples_axis(axes, table["samples_per_language"].to_list(), grid.width)
        for axis, (key, label) in zip(axes, labels.items(), strict=True):
            ends = [end for line in lines if (end := draw(axis, table[keys == key], line))]
            curve_header(axis, label, grid.width + grid.gap)
            line_labels(axis, ends)
        foot(figure, f"{_SAMPLES};  y: {score_metric.label}, {score_metric.unit}")
    return figure


def plot_per_language(table: pd.DataFrame) -> Figure:
    """Plots a curve's rows of `tables.per_language`, one panel per language; unseen languages have dashed lines.

    Raises:
        ValueError: The table has rows of several curves, which could not be told apart in panels of this size.
    """
    if len(curve_labels(table)) != 1 or table["task"].nunique() != 1:
        raise ValueError("plot_per_language draws one curve of one task; select its rows of the table")
    score_metric = metric(str(table["metric"].iloc[0]))
    colour = task_colour(str(table["task"].iloc[0]))
    languages = sorted(table["eval_language"].unique(), key=language_order)
    factor = score_metric.shown_factor
    with styled():
        grid = Grid(len(languages), min(4, len(languages)), width=1.6, height=1.25, gap=0.25, right=0.2, top=0.32,
                    row_gap=0.62)  # fmt: skip
        figure, axes = panels(grid)
        shown = [table[name] * factor for name in ("score", "low", "high")]
        axes[0].set_ylim(value_limits(shown, score_metric.low * factor, score_metric.high * factor))
        samples_axis(axes, table["samples_per_language"].to_list(), grid.width)
        for axis, code in zip(axes, languages, strict=True):
            rows = table[table["eval_language"] == code]
            dashed = rows["exposure"].iloc[0] == "unseen"
            line_colour = ENGLISH if rows["exposure"].iloc[0] == "english" else colour
            draw(axis, rows, Line("score", "", line_colour, "low", "high", dashed, factor, 1.4))
            axis.set_title(language_name(code), pad=5)
        foot(figure, f"{_SAMPLES};  y: {score_metric.label}, {score_metric.unit}")
    return figure
