"""Figures of runs on mixed tasks: validation losses beside the single-task run's, and gradient agreement."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from clt_ray.analysis.display_order import count_label, language_name, language_order
from clt_ray.analysis.gradient_agreement import ACROSS, WITHIN_LANGUAGE, WITHIN_TASK, over_steps
from clt_ray.analysis.metrics import task_label, task_order
from clt_ray.analysis.plots.lines import value_limits
from clt_ray.analysis.plots.style import (
    BLUE,
    ENGLISH,
    INK,
    MUTED,
    OTHER_COLOURS,
    VERMILLION,
    Grid,
    LineEnd,
    line_labels,
    panels,
    ribbon,
    styled,
    task_colour,
)

AGREES, DISAGREES = BLUE, VERMILLION
RELATION_COLOURS: Final = {WITHIN_TASK: OTHER_COLOURS[0], WITHIN_LANGUAGE: OTHER_COLOURS[1], ACROSS: OTHER_COLOURS[2]}
_DASHES: Final = (0, (3.2, 1.8))


def plot_trajectories(table: pd.DataFrame) -> Figure:
    """Plots the validation loss over the rows of a task that a run has seen, one panel per language.

    The loss of the run's single-task twin is grey. A dot marks the lowest loss of a line.

    Args:
        table: From `loss_trajectories.trajectories`: rows of one mixed run in one task and of its twin, if any.
    """
    mixed = table[table["setting"] == "multi"]
    alone = table[table["setting"] == "single"]
    colour = task_colour(str(mixed["task"].iloc[0]))
    languages = sorted(mixed["eval_language"].unique(), key=language_order)
    with styled():
        columns = min(4, len(languages))
        grid = Grid(len(languages), columns, width=1.6, height=1.25, gap=0.25, right=0.6, top=0.32, row_gap=0.62)
        figure, axes = panels(grid)
        # Losses of languages differ by factors, which a logarithmic axis shows as equal distances.
        axes[0].set_yscale("log")
        low, high = np.log10([table["loss"].min(), table["loss"].max()])
        axes[0].set_ylim(10 ** (low - 0.05 * (high - low) - 0.01), 10 ** (high + 0.05 * (high - low) + 0.01))
        axes[0].yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes[0].yaxis.set_minor_formatter(NullFormatter())
        axes[0].yaxis.set_minor_locator(NullLocator())
        axes[0].xaxis.set_major_locator(MaxNLocator(4))
        axes[0].xaxis.set_major_formatter(lambda value, _: count_label(round(value)))
        for index, (axis, code) in enumerate(zip(axes, languages, strict=True)):
            _loss(axis, alone[alone["eval_language"] == code], ENGLISH, 1.2)
            _loss(axis, mixed[mixed["eval_language"] == code], colour, 1.7)
            axis.set_title(language_name(code), pad=5)
            if index % columns == columns - 1 or index == len(languages) - 1:
                ends = _ends({"mixed": (mixed, colour), "alone": (alone, ENGLISH)}, code)
                _log_labels(axis, ends)
        _note(figure, "x: rows of the task seen in training;  y: validation loss in nats per token")
    return figure


def _loss(axis: Axes, rows: pd.DataFrame, colour: str, width: float) -> None:
    """Draws a line with a dot at its lowest point; dashed where the run does not train on the language."""
    if rows.empty:
        return
    rows = rows.sort_values("task_rows")
    dashed = rows["exposure"].iloc[0] == "unseen"
    axis.plot(rows["task_rows"], rows["loss"], color=colour, linewidth=width, linestyle=_DASHES if dashed else "-")
    lowest = rows.iloc[int(rows["loss"].argmin())]
    axis.plot(lowest["task_rows"], lowest["loss"], color=colour, marker="o", markersize=3.6, clip_on=False)


def _ends(lines: dict[str, tuple[pd.DataFrame, str]], code: str) -> list[LineEnd]:
    ends = []
    for label, (rows, colour) in lines.items():
        language_rows = rows[rows["eval_language"] == code].sort_values("task_rows")
        if len(language_rows):
            ends.append((float(language_rows["loss"].iloc[-1]), label, colour))
    return ends


def _log_labels(axis: Axes, ends: list[LineEnd]) -> None:
    """Places labels on a logarithmic axis, which `line_labels` takes to be linear between its limits."""
    low, high = axis.get_ylim()
    linear_ends = [
        (low + (high - low) * float(np.log(y / low) / np.log(high / low)), text, colour) for y, text, colour in ends
    ]
    line_labels(axis, linear_ends)


def plot_gradient_agreement(pairs: pd.DataFrame) -> Figure:
    """Plots the matrix of gradient cosines between the task-language pairs of one run, averaged over steps.

    The diagonal has the cosines between the gradients of two halves of the same rows.

    Args:
        pairs: From `gradient_agreement.gradient_cosines`, rows of one run.
    """
    table = over_steps(pairs)
    cells = _pairs(table)
    values = np.full((len(cells), len(cells)), np.nan)
    for row in table.to_dict("records"):
        first, second = (cells.index((row[f"{side}_task"], row[f"{side}_language"])) for side in ("first", "second"))
        values[first, second] = values[second, first] = row["cosine"]
    off = values[~np.eye(len(cells), dtype=bool)]
    strongest = max(float(np.nanmax(np.abs(off))) if np.isfinite(off).any() else 0.0, 0.05)
    with styled():
        size = 0.34 * len(cells)
        grid = Grid(1, 1, width=size, height=size, left=0.95, right=0.25, top=0.75, bottom=0.35)
        figure, (axis,) = panels(grid)
        axis.grid(False)
        axis.set_xlim(0, len(cells))
        axis.set_ylim(len(cells), 0)
        for row, column in np.argwhere(np.isfinite(values)):
            _square(axis, int(row), int(column), float(values[row, column]), strongest)
        _name_pairs(axis, cells)
        _note(figure, "cosine similarity of gradients × 100; diagonal: two halves of the same rows")
    return figure


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Returns the task-language pairs of a table in reading order."""
    sides = [
        table[[f"{side}_task", f"{side}_language"]].itertuples(index=False, name=None) for side in ("first", "second")
    ]
    return sorted(
        {pair for side in sides for pair in side}, key=lambda pair: (task_order(pair[0]), language_order(pair[1]))
    )


def _square(axis: Axes, row: int, column: int, value: float, strongest: float) -> None:
    """Draws a cosine as a translucent shade and as a number, which is readable on light and on dark backgrounds."""
    if row != column:
        shade = 0.6 * min(abs(value) / strongest, 1.0)
        colour = AGREES if value > 0 else DISAGREES
        axis.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=shade, linewidth=0))
    text = f"{round(100 * value)}".replace("-", "−")
    axis.text(
        column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5, color=MUTED if row == column else INK
    )


def _name_pairs(axis: Axes, pairs: list[tuple[str, str]]) -> None:
    """Writes the languages on both axes, and each task where it begins, with a line between tasks."""
    places = np.arange(len(pairs)) + 0.5
    axis.set_xticks(places, [code for _, code in pairs])
    axis.set_yticks(places, [code for _, code in pairs])
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=7.5)
    axis.spines[:].set_visible(False)
    tasks = [task for task, _ in pairs]
    for task in dict.fromkeys(tasks):
        start, count = tasks.index(task), tasks.count(task)
        if start:
            axis.axhline(start, color=MUTED, linewidth=0.8)
            axis.axvline(start, color=MUTED, linewidth=0.8)
        axis.text(start, -0.95, task_label(task).split()[0], color=task_colour(task), fontsize=7.5, fontweight="bold")
        axis.text(-1.0, start + count / 2, task_label(task).split()[0], color=task_colour(task), fontsize=7.5,
                  fontweight="bold", rotation=90, va="center", ha="center")  # fmt: skip


def plot_gradient_agreement_over_steps(steps: pd.DataFrame) -> Figure:
    """Plots the mean gradient cosine over training steps, one line per relation of the task-language pairs.

    Args:
        steps: From `gradient_agreement.by_step`, rows of one run.
    """
    with styled():
        figure, (axis,) = panels(Grid(1, 1, width=3.4, height=1.9, left=0.5, right=1.15, top=0.2))
        axis.axhline(0, color=MUTED, linewidth=0.8)
        axis.set_ylim(value_limits([steps[name] for name in ("cosine", "low", "high")] + [pd.Series([0.0])], -1, 1))
        ends: list[LineEnd] = []
        for kind, colour in RELATION_COLOURS.items():
            rows = steps[steps["relation"] == kind].sort_values("step")
            if len(rows):
                ribbon(axis, rows["step"], rows["low"], rows["high"], colour)
                axis.plot(rows["step"], rows["cosine"], color=colour, marker="o", markersize=2.6)
                ends.append((float(rows["cosine"].iloc[-1]), kind, colour))
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(5))
        line_labels(axis, ends)
        _note(figure, "x: optimizer step;  y: mean cosine similarity of gradients")
    return figure


def _note(figure: Figure, text: str) -> None:
    figure.text(0.012, 0.09 / figure.get_size_inches()[1], text, color=MUTED, fontsize=7.5, va="bottom", ha="left")
