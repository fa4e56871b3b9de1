"""Every evaluation language of one task in a panel of its own."""

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
"""Curves that a small panel can hold apart; further ones stay in the table."""


def plot_per_language(table: pd.DataFrame) -> Figure:
    """One panel per language, one line per curve; solid where the curve trained on the language, else dashed.

    Args:
        table: From `tables.per_language`, rows of one task; at most `MAX_CURVES` curves are drawn, the first ones.
    """
    about = metric(str(table["metric"].iloc[0]))
    labels = dict(list(curve_labels(table).items())[:MAX_CURVES])
    keys = table.apply(key_of, axis=1)
    table = table[keys.isin(list(labels))]
    colours = (task_colour(str(table["task"].iloc[0])), *OTHER_COLOURS)
    languages = sorted(table["eval_language"].unique(), key=language_order)
    factor = about.shown_factor
    with styled():
        columns = min(4, len(languages))
        longest = max(len(label) for label in labels.values())
        many = len(labels) > 1
        right = min(1.9, 0.18 + 0.07 * longest) if many else 0.2
        grid = Grid(len(languages), columns, width=1.6, height=1.25, gap=0.25, right=right, top=0.32, row_gap=0.62)
        figure, axes = panels(grid)
        shown = [table[name] * factor for name in ("score", "low", "high")]
        axes[0].set_ylim(value_limits(shown, about.low * factor, about.high * factor))
        samples_axis(axes, table["samples_per_language"].to_list(), grid.width)
        for place, (axis, code) in enumerate(zip(axes, languages, strict=True)):
            rows = table[table["eval_language"] == code]
            ends: list[LineEnd] = []
            for (key, label), colour in zip(labels.items(), colours, strict=False):
                own = rows[keys[rows.index] == key]
                unseen = len(own) > 0 and own["exposure"].iloc[0] == "unseen"
                shift = -4.0 * len(ends)
                end = draw(axis, own, Line("score", label, colour, "low", "high", unseen, factor, 1.4, shift))
                ends += [end] if end else []
            axis.set_title(language_name(code), pad=5)
            if many and (place % columns == columns - 1 or place == len(languages) - 1):
                line_labels(axis, ends)
        foot(figure, f"{about.label}, {about.unit}")
    return figure
