"""The gain in each language, and the mean of the unseen languages against that of the seen ones."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clt_ray.analysis.labels import count_label, curve_labels, key_of, language_name, language_order
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.plots.curves import value_limits
from clt_ray.analysis.plots.panels import Grid, header, line_labels, panels, signed
from clt_ray.analysis.plots.style import ENGLISH, INK, MUTED, OTHER_COLOURS, PAPER, styled, task_colour
from clt_ray.analysis.tables import MEAN

_COLOURS: Final = (INK, *OTHER_COLOURS)


def plot_gain(table: pd.DataFrame) -> Figure:
    """Plots `tables.gain` in each language at each curve's largest n; filled dots are seen languages, open ones unseen.

    There is one panel per task and curve, and one row of panels per curve.
    """
    table = table[table["eval_language"] != MEAN]
    design = ["task", "model", "setting", "language_group", "train_languages"]
    largest = table.groupby(design)["samples_per_language"].transform("max")
    table = table[table["samples_per_language"] == largest]
    labels = curve_labels(table)
    keys = table.apply(key_of, axis=1)
    tasks = list(dict.fromkeys(table["task"]))
    languages = sorted(table["eval_language"].unique(), key=language_order)
    panel_keys = [(key, task) for key in labels for task in tasks]
    with styled():
        # Points and ratings have different scales, so only the panels of one task share an axis.
        grid = Grid(len(panel_keys), len(tasks), width=2.2, height=0.2 * len(languages) + 0.1, left=0.85, gap=0.35,
                    right=0.2, top=0.45, bottom=0.45, row_gap=0.98)  # fmt: skip
        figure, axes = panels(grid, share_x=False, share_y=False)
        for index, (axis, (key, task)) in enumerate(zip(axes, panel_keys, strict=True)):
            task_rows = table[table["task"] == task]
            rows = task_rows[keys[task_rows.index] == key]
            _dots(axis, rows, languages, _limits(task_rows), index % len(tasks) == 0)
            compared = "no runs to compare"
            if len(rows):
                compared = f"n = {count_label(int(rows['samples_per_language'].max()))} minus n = 0"
            header(axis, task_label(task), f"{labels[key]}, {compared}", grid.width + grid.gap)
            gain_metric = metric(str(task_rows["metric"].iloc[0]))
            axis.set_xlabel(f"{gain_metric.label}, {gain_metric.unit}", color=MUTED, fontsize=7.5, loc="left")
    return figure


def _dots(axis: Axes, rows: pd.DataFrame, languages: list[str], limits: tuple[float, float], named: bool) -> None:
    axis.axvline(0, color=MUTED, linewidth=0.8)
    for row in rows.to_dict("records"):
        factor = metric(row["metric"]).shown_factor
        y = languages.index(row["eval_language"])
        colour = ENGLISH if row["exposure"] == "english" else task_colour(row["task"])
        if np.isfinite(row["low"]):
            axis.hlines(y, row["low"] * factor, row["high"] * factor, color=colour, linewidth=1.4)
        filled = row["exposure"] != "unseen"
        axis.plot(row["gain"] * factor, y, marker="o", markersize=5.2, color=colour,
                  markerfacecolor=colour if filled else PAPER, markeredgewidth=1.3)  # fmt: skip
    axis.set_xlim(limits)
    axis.set_ylim(len(languages) - 0.4, -0.6)
    axis.set_yticks(range(len(languages)), [language_name(code) for code in languages] if named else [])
    axis.tick_params(axis="y", labelsize=8.5)
    axis.grid(False, axis="y")
    axis.grid(True, axis="x")
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(lambda value, _: signed(value))


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    factor = metric(str(rows["metric"].iloc[0])).shown_factor
    values = np.concatenate([rows[name].to_numpy(dtype=float) for name in ("gain", "low", "high")]) * factor
    values = np.append(values[np.isfinite(values)], 0.0)
    pad = 0.07 * float(np.ptp(values)) or 1.0
    return float(values.min() - pad), float(values.max() + pad)


def plot_transfer_correlation(table: pd.DataFrame) -> Figure:
    """Plots the means in `tables.seen_unseen`, unseen against seen languages: a panel per task, a path per curve.

    A path joins the runs of a curve, at least 3, in order of n. The grey line marks equal means.
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
