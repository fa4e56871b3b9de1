"""The mean of the unseen languages against the mean of the seen languages, run by run."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clt_ray.analysis.curve_labels import curve_labels, key_of
from clt_ray.analysis.display_order import count_label
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.plots.lines import value_limits
from clt_ray.analysis.plots.style import (
    ENGLISH,
    INK,
    MUTED,
    OTHER_COLOURS,
    Grid,
    header,
    line_labels,
    panels,
    styled,
)

_COLOURS: Final = (INK, *OTHER_COLOURS)


def plot_transfer_correlation(table: pd.DataFrame) -> Figure:
    """Plots the mean of the unseen against the mean of the seen languages: a panel per task, a path per curve.

    A path joins the runs of a curve in order of n. The grey line marks equal means.

    Args:
        table: From `tables.seen_unseen`, rows of curves with at least 3 points.
    """
    labels = curve_labels(table)
    keys = table.apply(key_of, axis=1)
    tasks = list(dict.fromkeys(table["task"]))
    with styled():
        right = min(1.75, 0.2 + 0.068 * max(len(label) for label in labels.values()))
        grid = Grid(len(tasks), len(tasks), width=2.1, height=2.1, gap=right, right=right, bottom=0.55)
        figure, axes = panels(grid, share_x=False, share_y=False)
        for axis, task in zip(axes, tasks, strict=True):
            rows = table[table["task"] == task]
            score_metric = metric(str(rows["metric"].iloc[0]))
            factor = score_metric.shown_factor
            limits = (score_metric.low * factor, score_metric.high * factor)
            axis.set_xlim(value_limits([rows["seen"] * factor], *limits))
            axis.set_ylim(value_limits([rows["unseen"] * factor], *limits))
            axis.axline((0, 0), slope=1, color=ENGLISH, linewidth=0.8)
            ends = []
            for index, (key, label) in enumerate(labels.items()):
                path = rows[keys[rows.index] == key].dropna(subset=["seen", "unseen"])
                if len(path):
                    colour = _COLOURS[index % len(_COLOURS)]
                    _path(axis, path, factor, colour)
                    ends.append((float(path["unseen"].iloc[-1]) * factor, label, colour))
            header(axis, task_label(task), f"{score_metric.label}, {score_metric.unit}", grid.width + grid.gap)
            axis.set_xlabel("x: seen languages;  y: unseen languages", color=MUTED, fontsize=7.5, loc="left")
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.yaxis.set_major_locator(MaxNLocator(4))
            line_labels(axis, ends)
    return figure


def _path(axis: Axes, path: pd.DataFrame, factor: float, colour: str) -> None:
    x, y = path["seen"].to_numpy() * factor, path["unseen"].to_numpy() * factor
    axis.plot(x, y, color=colour, linewidth=0.8, alpha=0.6, clip_on=False)
    axis.plot(x, y, color=colour, linestyle="none", marker="o", markersize=4, clip_on=False)
    for index in {0, len(x) - 1}:
        axis.annotate(count_label(int(path["samples_per_language"].iloc[index])), (x[index], y[index]), (3, -9),
                      textcoords="offset points", fontsize=6.5, color=colour)  # fmt: skip
