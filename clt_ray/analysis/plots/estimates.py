"""Forest plots of any measure's table: an estimate and its interval per row.

**Contract.** The tables of this package have their estimates in the column before `low` and `high` (`p`, `q` and `n`
are skipped), so `plot_estimates(table)` needs no column names; `value="gap"` draws another column, with `gap_low` and
`gap_high` where the table has them. Rows are named by the columns that vary, in the table's order: first the curve,
then its parts. Seen (filled) and unseen languages of a row share a line. Estimates without an interval are faint.

**Example.** `plot_estimates(tables.gain_over_runs(study).query("samples_per_language == 400"))` has a panel per task
and a line per curve with the gain of its seen and of its unseen languages.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from clt_ray.analysis.labels import count_label
from clt_ray.analysis.plots.estimate_rows import MOST_LINES, Layout, Line, Quantity, layout, marks, problem, quantity
from clt_ray.analysis.plots.panels import Grid, columns_for, fitted, foot, header, panels, signed
from clt_ray.analysis.plots.style import ENGLISH, INK, MUTED, PAPER, styled, task_colour
from clt_ray.analysis.uncertainty import Floats

_EXPOSURES: Final = ("seen", "unseen", "english")
_LINE: Final = 0.19
"""Distance between lines in inches."""
_DENSE_LINE: Final = 0.25
"""Distance between lines with several marks each, in inches."""
_CHARACTER: Final = 0.058
"""Width of an average character of a label in inches."""
_DODGE: Final = 0.18
"""Distance, in lines, from the middle of a line to its outer marks where several exposures share it."""
_REACH: Final = 1.2
"""An interval that extends beyond the range of the estimates by more than this multiple of it is cut, with an arrow."""


def plot_estimates(table: pd.DataFrame, value: str | None = None) -> Figure:
    """Plots the estimates of any measure's table with their 95% intervals, one panel per task.

    Raises:
        ConfigurationError: The table has no rows or no such column, or makes more than `MOST_LINES` lines.
    """
    plan = layout(table, value)
    parts, lines = plan.panels, plan.lines
    if len(lines) > MOST_LINES:
        remedy = "keep fewer rows, for instance table[table['samples_per_language'] == 400], or one model"
        raise problem("table", None, f"makes {len(lines)} lines, more than the {MOST_LINES} that can be read", remedy)
    dense = any(plan.keys[rows.index].duplicated().any() for _, rows in parts)
    left = min(0.35 + _CHARACTER * max(len(line.text) + 2 * line.indented for line in lines), 3.2)
    with styled():
        grid = Grid(len(parts), columns_for(len(parts)), width=2.1 if len(parts) > 1 else 3.4,
                    height=(_DENSE_LINE if dense else _LINE) * len(lines) + 0.1, left=left, gap=0.3, right=0.25,
                    top=0.45, bottom=0.66, row_gap=1.0)  # fmt: skip
        figure, axes = panels(grid, share_x=False, share_y=False)
        for index, (axis, (title, rows)) in enumerate(zip(axes, parts, strict=True)):
            measure = quantity(rows, plan.value)
            _draw(axis, rows, plan, measure)
            _name(axis, lines, left if index % grid.columns == 0 else 0.0)
            header(axis, title, measure.label, grid.width + grid.gap)
            axis.set_xlabel(measure.unit, color=MUTED, fontsize=7.5, loc="left")
        _legend(figure, pd.concat([rows for _, rows in parts]), plan)
    return figure


def _draw(axis: Axes, rows: pd.DataFrame, plan: Layout, measure: Quantity) -> None:
    keys, heights = plan.keys[rows.index], {line.key: index for index, line in enumerate(plan.lines) if line.key}
    offsets = _offsets(rows, keys)
    values, lows, highs = rows.reindex(columns=[plan.value, plan.low, plan.high]).to_numpy(float).T * measure.factor
    limits = _limits(values, lows, highs, measure)
    _axis(axis, limits, measure, len(plan.lines))
    drawn = zip(rows.to_dict("records"), keys, marks(rows), values, lows, highs, strict=True)
    for row, key, exposure, value, low, high in drawn:
        y = heights[key] + offsets.get(exposure, 0.0)
        colour = ENGLISH if exposure == "english" else task_colour(str(row["task"])) if "task" in row else INK
        known = not (np.isnan(low) or np.isnan(high))
        if known:
            _interval(axis, y, (low, high), limits, colour)
        inside = float(np.clip(value, *limits))
        axis.plot(
            inside, y, marker="o" if np.isfinite(value) else ">", markersize=4.4, color=colour, clip_on=False,
            markerfacecolor=PAPER if exposure == "unseen" else colour, markeredgewidth=1.2, alpha=1 if known else 0.45,
        )  # fmt: skip
        if plan.has_samples:
            end = float(np.clip(high, *limits)) if known else inside
            axis.annotate(count_label(int(row["samples_per_language"])), (end, y), (4, 0), textcoords="offset points",
                          va="center", fontsize=5.5, color=MUTED, annotation_clip=False)  # fmt: skip


def _offsets(rows: pd.DataFrame, keys: pd.Series) -> dict[str, float]:
    """Returns the distance of the marks of each exposure from the middle of their line, in lines."""
    if "exposure" not in rows or not keys.duplicated().any():
        return {}
    present = [name for name in _EXPOSURES if (rows["exposure"] == name).any()]
    middle = (len(present) - 1) / 2
    return {name: _DODGE * (index - middle) / max(middle, 0.5) for index, name in enumerate(present)}


def _limits(values: Floats, lows: Floats, highs: Floats, measure: Quantity) -> tuple[float, float]:
    """Returns limits that contain all estimates, the reference value, and the intervals up to `_REACH`."""
    core = values[np.isfinite(values)]
    ends = np.concatenate([lows, highs])
    ends = ends[np.isfinite(ends)]
    if measure.ticks == "samples":
        return 0.0, float(max([*core, *ends, 1.0])) * 1.25
    if measure.reference is not None:
        core = np.append(core, measure.reference)
    if not core.size:
        return -1.0, 1.0
    low, high = float(core.min()), float(core.max())
    # One or two values do not define a range, so their intervals are shown in full.
    reach = _REACH * (high - low) if high - low > 0 and len(values) > 2 else float("inf")
    if ends.size:
        low, high = min(low, max(float(ends.min()), low - reach)), max(high, min(float(ends.max()), high + reach))
    pad = 0.05 * (high - low) or 0.5
    return low - pad, high + pad


def _interval(axis: Axes, y: float, ends: tuple[float, float], limits: tuple[float, float], colour: str) -> None:
    low, high = (float(np.clip(end, *limits)) for end in ends)
    axis.hlines(y, low, high, color=colour, linewidth=1.3)
    for end, shown, mark in ((ends[0], low, "<"), (ends[1], high, ">")):
        if end != shown:
            axis.plot(shown, y, marker=mark, markersize=3.4, color=colour, clip_on=False)


def _axis(axis: Axes, limits: tuple[float, float], measure: Quantity, lines: int) -> None:
    if measure.reference is not None:
        axis.axvline(measure.reference, color=MUTED, linewidth=0.8)
    axis.set_xlim(limits)
    axis.set_ylim(lines - 0.45, -0.55)
    axis.grid(False, axis="y")
    axis.grid(True, axis="x")
    if measure.ticks == "samples":
        axis.set_xscale("symlog", linthresh=100, linscale=0.4)
        axis.set_xlim(limits)
        axis.xaxis.set_major_locator(FixedLocator([n for n in (0, 100, 400, 1000, 4000, 10000) if n <= limits[1]]))
        axis.xaxis.set_minor_locator(NullLocator())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(lambda value, _: _tick(value, measure))


def _tick(value: float, measure: Quantity) -> str:
    if measure.ticks == "samples":
        return count_label(round(value))
    if measure.ticks == "signed":
        return signed(value)
    return f"{value:g}".replace("-", "−") + "%" * (measure.ticks == "percent")


def _name(axis: Axes, lines: Sequence[Line], room: float) -> None:
    axis.set_yticks([])
    for index, line in enumerate(lines):
        if line.key is None and index:
            axis.axhline(index - 0.5, color=MUTED, linewidth=0.4, alpha=0.5)
        if room:
            text = fitted(line.text, room - 0.1, 6.6)
            axis.annotate(
                text, (0, index), (-72 * (room - 0.12 - 0.1 * line.indented), 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", ha="left", fontsize=8, color=INK,
                fontweight="bold" if line.key is None else "normal", annotation_clip=False,
            )  # fmt: skip


def _legend(figure: Figure, table: pd.DataFrame, plan: Layout) -> None:
    present = set(table["exposure"]) if "exposure" in table else set()
    words = {"seen": "● seen languages", "unseen": "○ unseen languages", "english": "grey: English"}
    entries = [text for name, text in words.items() if name in present]
    if plan.low not in table or table[plan.low].isna().any():
        entries.append("faint: no interval available")
    if plan.has_samples:
        entries.append("small numbers: samples per language")
    if plan.low in table and table[plan.low].notna().any():
        entries.append("lines: 95% intervals")
    foot(figure, ";  ".join(entries))
