"""Scores of one task over samples per language, with one panel per evaluation language."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from clt_ray.analysis.curve_labels import curve_labels, key_of
from clt_ray.analysis.display_order import language_name, language_order
from clt_ray.analysis.metrics import metric
from clt_ray.analysis.plots.lines import Line, draw, value_limits
from clt_ray.analysis.plots.style import (
    OTHER_COLOURS,
    Grid,
    LineEnd,
    foot,
    line_labels,
    panels,
    samples_axis,
    styled,
    task_colour,
)

MAX_CURVES: Final = 4
"""A small panel shows at most this many curves; the others are in the table."""


def plot_per_language(table: pd.DataFrame) -> Figure:
    """Plots one panel per language with one line per curve: solid if the curve trains on the language, else dashed.

    Args:
        table: From `tables.per_language`, rows of one task; the first `MAX_CURVES` curves are drawn.
    """
    score_metric = metric(str(table["metric"].iloc[0]))
    labels = dict(list(curve_labels(table).items())[:MAX_CURVES])
    keys = table.apply(key_of, axis=1)
    table = table[keys.isin(list(labels))]
    colours = (task_colour(str(table["task"].iloc[0])), *OTHER_COLOURS)
    languages = sorted(table["eval_language"].unique(), key=language_order)
    factor = score_metric.shown_factor
    with styled():
        columns = min(4, len(languages))
        longest = max(len(label) for label in labels.values())
        many = len(labels) > 1
        right = min(1.9, 0.18 + 0.07 * longest) if many else 0.2
        grid = Grid(len(languages), columns, width=1.6, height=1.25, gap=0.25, right=right, top=0.32, row_gap=0.62)
        figure, axes = panels(grid)
        shown = [table[name] * factor for name in ("score", "low", "high")]
        axes[0].set_ylim(value_limits(shown, score_metric.low * factor, score_metric.high * factor))
        samples_axis(axes, table["samples_per_language"].to_list(), grid.width)
        for index, (axis, code) in enumerate(zip(axes, languages, strict=True)):
            rows = table[table["eval_language"] == code]
            ends: list[LineEnd] = []
            for (key, label), colour in zip(labels.items(), colours, strict=False):
                curve_rows = rows[keys[rows.index] == key]
                unseen = len(curve_rows) > 0 and curve_rows["exposure"].iloc[0] == "unseen"
                shift = -4.0 * len(ends)
                end = draw(axis, curve_rows, Line("score", label, colour, "low", "high", unseen, factor, 1.4, shift))
                ends += [end] if end else []
            axis.set_title(language_name(code), pad=5)
            if many and (index % columns == columns - 1 or index == len(languages) - 1):
                line_labels(axis, ends)
        foot(figure, f"{score_metric.label}, {score_metric.unit}")
    return figure
