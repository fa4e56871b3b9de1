"""Figures over the training of runs on mixed tasks: losses beside those of the single-task run."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from clt_ray.analysis.labels import count_label, language_name, language_order
from clt_ray.analysis.plots.curves import DASHES
from clt_ray.analysis.plots.panels import Grid, LineEnd, foot, line_labels, panels
from clt_ray.analysis.plots.style import ENGLISH, styled, task_colour


def plot_trajectories(table: pd.DataFrame) -> Figure:
    """Plots the validation loss over the rows of a task that a run has seen, one panel per language.

    The table has rows of `loss_trajectories.trajectories`: of one mixed run in one task, and of its single-task twin,
    if any, whose loss is grey. A dot marks the lowest loss of a line.
    """
    mixed = table[table["setting"] == "multi"]
    single = table[table["setting"] == "single"]
    colour = task_colour(str(mixed["task"].iloc[0]))
    languages = sorted(mixed["eval_language"].unique(), key=language_order)
    with styled():
        columns = min(4, len(languages))
        grid = Grid(len(languages), columns, width=1.6, height=1.25, gap=0.25, right=0.6, top=0.32, row_gap=0.62)
        figure, axes = panels(grid)
        # Losses of languages differ by factors, which a logarithmic axis shows as equal distances.
        axes[0].set_yscale("log")
        low, high = np.log10([table["loss"].min(), table["loss"].max()])
        pad = 0.05 * (high - low) + 0.01
        axes[0].set_ylim(10 ** (low - pad), 10 ** (high + pad))
        axes[0].yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes[0].yaxis.set_minor_formatter(NullFormatter())
        axes[0].yaxis.set_minor_locator(NullLocator())
        axes[0].xaxis.set_major_locator(MaxNLocator(4))
        axes[0].xaxis.set_major_formatter(lambda value, _: count_label(round(value)))
        for index, (axis, code) in enumerate(zip(axes, languages, strict=True)):
            ends = _loss(axis, single[single["eval_language"] == code], "single", ENGLISH, 1.2)
            ends += _loss(axis, mixed[mixed["eval_language"] == code], "mixed", colour, 1.7)
            axis.set_title(language_name(code), pad=5)
            if index % columns == columns - 1 or index == len(languages) - 1:
                line_labels(axis, ends)
        foot(figure, "x: rows of the task seen in training;  y: validation loss in nats per token")
    return figure


def _loss(axis: Axes, rows: pd.DataFrame, label: str, colour: str, width: float) -> list[LineEnd]:
    """Draws a line, dashed for languages not trained on, with a dot at its lowest point, and returns its end."""
    if rows.empty:
        return []
    rows = rows.sort_values("task_rows")
    dashed = rows["exposure"].iloc[0] == "unseen"
    axis.plot(rows["task_rows"], rows["loss"], color=colour, linewidth=width, linestyle=DASHES if dashed else "-")
    lowest = rows.iloc[int(rows["loss"].argmin())]
    axis.plot(lowest["task_rows"], lowest["loss"], color=colour, marker="o", markersize=3.6, clip_on=False)
    return [(float(rows["loss"].iloc[-1]), label, colour)]
