"""Mean scores of seen and unseen languages of one task over samples per language."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from clt_ray.analysis.curve_labels import curve_labels, key_of
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.plots.lines import Line, draw, value_limits
from clt_ray.analysis.plots.style import (
    ENGLISH,
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


def plot_seen_unseen(table: pd.DataFrame) -> Figure:
    """Plots one panel per model, setting and language group: seen languages solid, unseen ones dashed, English grey.

    Args:
        table: From `tables.seen_unseen`, rows of one task.
    """
    task = str(table["task"].iloc[0])
    score_metric = metric(str(table["metric"].iloc[0]))
    labels = curve_labels(table)
    keys = table.apply(key_of, axis=1)
    colour = task_colour(task)
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
        foot(figure, f"{score_metric.label}, {score_metric.unit}")
    return figure
