"""Matrices of the gain in each evaluation language from each training language."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clt_ray.analysis.display_order import count_label, language_name, language_order
from clt_ray.analysis.false_discovery import FALSE_DISCOVERY_RATE
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.plots.mechanisms import AGREES, DISAGREES
from clt_ray.analysis.plots.style import GRID, INK, MUTED, Grid, columns_for, header, panels, styled
from clt_ray.errors import ConfigurationError, Problem

_CELL: Final = 0.36
"""Width and height of a cell in inches."""


def plot_source_to_target(table: pd.DataFrame) -> Figure:
    """Plots the gain over n = 0 in every evaluation language (columns) from every training language (rows).

    There is one panel per task, model and setting. Blue is a gain, orange a loss; hatched cells were not run; a frame
    marks the language trained on. Numbers with q below 5% are bold.

    Args:
        table: From `tables.source_to_target`. A panel shows the largest n that most training languages have.

    Raises:
        ConfigurationError: The table is empty.
    """
    if table.empty:
        remedy = "a sweep with groups of one language each makes them"
        raise ConfigurationError(
            [Problem("plot_source_to_target", "table", None, "has no runs that add a single language", remedy)]
        )
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
            axis.set_yticks(
                np.arange(len(sources)) + 0.5, [language_name(code) for code in sources] if index % columns == 0 else []
            )
            _head(axis, rows, several, grid.width + grid.gap)
        text = "rows: language added to English;  columns: evaluation language;  hatched: not run;  bold: q < 5%"
        figure.text(0.012, 0.09 / figure.get_size_inches()[1], text, color=MUTED, fontsize=7.5, va="bottom", ha="left")
    return figure


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the largest n that most training languages have, so that they are compared at one n."""
    sources_per_n = rows.groupby("samples_per_language")["source"].nunique()
    largest = int(sources_per_n.index[sources_per_n == sources_per_n.max()].max())
    return rows[rows["samples_per_language"] == largest]


def _matrix(axis: Axes, rows: pd.DataFrame, sources: list[str], targets: list[str]) -> None:
    cells: dict[tuple[str, str], dict[Any, Any]] = {
        (row["source"], row["target"]): row for row in rows.to_dict("records")
    }
    strongest = float(rows["gain"].abs().max()) or 1.0
    axis.grid(False)
    axis.set_xlim(0, len(targets))
    axis.set_ylim(len(sources), 0)
    for y, source in enumerate(sources):
        for x, target in enumerate(targets):
            row = cells.get((source, target))
            if row is None or np.isnan(row["gain"]):
                axis.add_patch(Rectangle((x, y), 1, 1, facecolor="none", edgecolor=GRID, hatch="////", linewidth=0))
            else:
                _square(axis, x, y, row, strongest)
            if source == target:
                axis.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fill=False, edgecolor=INK, linewidth=0.9))
    axis.set_xticks(np.arange(len(targets)) + 0.5, targets)
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=8)
    axis.spines[:].set_visible(False)


def _square(axis: Axes, x: int, y: int, row: dict[Any, Any], strongest: float) -> None:
    """Draws a gain as a translucent shade and as a number, which is readable on light and on dark backgrounds."""
    gain_metric = metric(str(row["metric"]))
    shade = 0.6 * min(abs(row["gain"]) / strongest, 1.0)
    colour = AGREES if row["gain"] > 0 else DISAGREES
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, alpha=shade, linewidth=0))
    shown = row["gain"] * gain_metric.shown_factor
    # Numbers have one decimal less than in tables so that they fit their cells.
    rounded = round(shown, max(gain_metric.digits - 1, 0))
    text = f"{rounded:+g}".replace("-", "−") if rounded else "0"
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
