"""Scores of the non-English languages relative to English, over samples per language."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clt_ray.analysis.curve_labels import curve_labels, key_of
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.plots.lines import Line, draw, value_limits
from clt_ray.analysis.plots.style import (
    ENGLISH,
    MUTED,
    Grid,
    columns_for,
    curve_header,
    foot,
    line_labels,
    panels,
    samples_axis,
    styled,
    task_colour,
)


def plot_relative_to_english(table: pd.DataFrame, reference: pd.DataFrame | None = None) -> Figure:
    """Plots one panel per model, setting and language group with one line per task; 100% is the English score.

    Args:
        table: From `tables.relative_to_english`.
        reference: The same table of another study, drawn as thin lines behind the panels of the same setting.
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
        foot(figure, "mean of the non-English languages, % of the English score")
    return figure


def _behind(axis: Axes, reference: pd.DataFrame) -> None:
    """Draws another study's curves as thin lines, up to the largest n of the axis."""
    largest = axis.get_xlim()[1]
    for (task, *_), rows in reference.groupby(["task", "model", "language_group"], sort=False):
        visible = rows[rows["samples_per_language"] <= largest]
        axis.plot(visible["samples_per_language"], visible["relative_to_english"] * 100,
                  color=task_colour(str(task)), linewidth=0.6, alpha=0.45, zorder=1)  # fmt: skip
