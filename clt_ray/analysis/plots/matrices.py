"""Matrices: gains from each training language in each evaluation language, and cosines of gradients."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clt_ray.analysis.curve_tables import comparable
from clt_ray.analysis.gradient_agreement import over_steps
from clt_ray.analysis.labels import count_label, language_name, language_order
from clt_ray.analysis.metrics import metric, task_label, task_order
from clt_ray.analysis.plots.panels import Grid, columns_for, foot, header, panels, signed
from clt_ray.analysis.plots.style import BLUE, GRID, INK, MUTED, VERMILLION, styled, task_colour
from clt_ray.analysis.table_columns import FALSE_DISCOVERY_RATE
from clt_ray.errors import ConfigurationError, Problem

_CELL: Final = 0.36
"""Width and height of a cell in inches."""


def plot_source_to_target(table: pd.DataFrame) -> Figure:
    """Plots the gain over n = 0 in every evaluation language (columns) from every training language (rows).

    There is one panel per task, model and setting. Blue is a gain, orange a loss; hatched cells were not run; a frame
    marks the language trained on. Numbers with q below 5% are bold. A panel shows the n that `comparable` chooses.

    Raises:
        ConfigurationError: The table is empty.
    """
    if table.empty:
        remedy = "a sweep with groups of one language each makes them"
        message = "has no runs that add a single language"
        raise ConfigurationError([Problem("plot_source_to_target", "table", None, message, remedy)])
    parts = [comparable(rows) for _, rows in table.groupby(["task", "model", "setting"], sort=False)]
    sources = sorted(table["source"].unique(), key=language_order)
    targets = sorted(table["target"].unique(), key=language_order)
    with styled():
        columns = columns_for(len(parts)) if len(targets) < 10 else 1
        grid = Grid(len(parts), columns, width=_CELL * len(targets), height=_CELL * len(sources), left=0.95, gap=0.4,
                    right=0.15, top=0.72, bottom=0.35, row_gap=0.85)  # fmt: skip
        figure, axes = panels(grid, share_x=False, share_y=False)
        several = table["model"].nunique() > 1 or table["setting"].nunique() > 1
        for index, (axis, rows) in enumerate(zip(axes, parts, strict=True)):
            _matrix(axis, rows, sources, targets)
            names = [language_name(code) for code in sources] if index % columns == 0 else []
            axis.set_yticks(np.arange(len(sources)) + 0.5, names)
            _head(axis, rows, several, grid.width + grid.gap)
        foot(figure, "rows: language added to English;  columns: evaluation language;  hatched: not run;  bold: q < 5%")
    return figure


def _matrix(axis: Axes, rows: pd.DataFrame, sources: list[str], targets: list[str]) -> None:
    cells = {(row["source"], row["target"]): row for row in rows.to_dict("records")}
    strongest = float(rows["gain"].abs().max()) or 1.0
    _frame(axis, len(sources), targets, 8)
    for y, source in enumerate(sources):
        for x, target in enumerate(targets):
            row = cells.get((source, target))
            if row is None or np.isnan(row["gain"]):
                axis.add_patch(Rectangle((x, y), 1, 1, facecolor="none", edgecolor=GRID, hatch="////", linewidth=0))
            else:
                _square(axis, x, y, row, strongest)
            if source == target:
                axis.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fill=False, edgecolor=INK, linewidth=0.9))


def _frame(axis: Axes, rows: int, names: list[str], size: float) -> None:
    axis.grid(False)
    axis.set_xlim(0, len(names))
    axis.set_ylim(rows, 0)
    axis.set_xticks(np.arange(len(names)) + 0.5, names)
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=size)
    axis.spines[:].set_visible(False)


def _shade(axis: Axes, x: int, y: int, value: float, strongest: float) -> None:
    """Shades a square translucently, so that a number in it is readable on light and on dark backgrounds."""
    alpha = 0.6 * min(abs(value) / strongest, 1.0)
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=BLUE if value > 0 else VERMILLION, alpha=alpha, linewidth=0))


def _square(axis: Axes, x: int, y: int, row: dict[Any, Any], strongest: float) -> None:
    gain_metric = metric(str(row["metric"]))
    _shade(axis, x, y, row["gain"], strongest)
    shown = row["gain"] * gain_metric.shown_factor
    # Numbers have one decimal less than in tables so that they fit their cells.
    text = signed(round(shown, max(gain_metric.digits - 1, 0)))
    axis.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=7, color=INK,
              fontweight="bold" if row["q"] < FALSE_DISCOVERY_RATE else "normal")  # fmt: skip


def _head(axis: Axes, rows: pd.DataFrame, several: bool, room: float) -> None:
    first = rows.iloc[0]
    gain_metric = metric(str(first["metric"]))
    mixed = ", mixed tasks" if first["setting"] == "multi" else ""
    title = task_label(str(first["task"])) + (f", {first['model']}{mixed}" if several else "")
    note = f"{gain_metric.label}, gain in {gain_metric.unit}, n = {count_label(int(first['samples_per_language']))}"
    axis.tick_params(axis="x", pad=2)
    header(axis, title, note, room)
    # The names of the columns take the header's place, so the header is raised above them.
    for text in axis.texts[-2:]:
        text.xyann = (0, text.xyann[1] + 13)  # type: ignore[attr-defined]


def plot_gradient_agreement(pairs: pd.DataFrame) -> Figure:
    """Plots the matrix of gradient cosines between the task-language pairs of one run, averaged over steps.

    `pairs` are rows of one run from `gradient_agreement.gradient_cosines`. The diagonal compares halves of one batch.
    """
    table = over_steps(pairs)
    pairs_of_sides = (table[[f"{side}_task", f"{side}_language"]] for side in ("first", "second"))
    distinct = {pair for pairs_of_side in pairs_of_sides for pair in pairs_of_side.itertuples(index=False, name=None)}
    cells = sorted(distinct, key=lambda pair: (task_order(pair[0]), language_order(pair[1])))
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
        for row, column in np.argwhere(np.isfinite(values)):
            if row != column:
                _shade(axis, column, row, values[row, column], strongest)
            text = f"{round(100 * values[row, column])}".replace("-", "−")
            axis.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5,
                      color=MUTED if row == column else INK)  # fmt: skip
        _name_pairs(axis, cells)
        foot(figure, "cosine similarity of gradients × 100; diagonal: two halves of the same rows")
    return figure


def _name_pairs(axis: Axes, pairs: list[tuple[str, str]]) -> None:
    codes = [code for _, code in pairs]
    _frame(axis, len(pairs), codes, 7.5)
    axis.set_yticks(np.arange(len(pairs)) + 0.5, codes)
    tasks = [task for task, _ in pairs]
    for task in dict.fromkeys(tasks):
        start, count = tasks.index(task), tasks.count(task)
        if start:
            axis.axhline(start, color=MUTED, linewidth=0.8)
            axis.axvline(start, color=MUTED, linewidth=0.8)
        name = task_label(task).split()[0]
        look: dict[str, Any] = {"color": task_colour(task), "fontsize": 7.5, "fontweight": "bold"}
        axis.text(start, -0.95, name, **look)
        axis.text(-1.0, start + count / 2, name, rotation=90, va="center", ha="center", **look)
