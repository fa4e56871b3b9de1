"""Draws lines over samples per language, the building block of the curve figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from clt_ray.analysis.plots.style import PAPER, LineEnd, ribbon


@dataclass(frozen=True)
class Line:
    """How one column of a table is drawn as a line."""

    column: str
    """Column of the values."""
    label: str
    """Name at the end of the line; empty for none."""
    colour: str
    """Colour of line, markers and ribbon."""
    low: str = ""
    """Column of the interval's lower end; empty for no ribbon."""
    high: str = ""
    """Column of the interval's upper end."""
    dashed: bool = False
    """Whether the line is dashed and its markers open."""
    factor: float = 1.0
    """Shown number per stored number."""
    width: float = 1.7
    """Width of the line in points."""
    shift: float = 0.0
    """Offset to the right in points of a line with a single point, so that several at the same n stand side by side."""


def draw(axis: Axes, rows: pd.DataFrame, line: Line) -> LineEnd | None:
    """Draws a line over `samples_per_language` and returns its end, for its label; None when it has no point."""
    rows = rows[np.isfinite(rows[line.column].astype(float))].sort_values("samples_per_language")
    if rows.empty:
        return None
    x = rows["samples_per_language"].to_numpy()
    y = rows[line.column].to_numpy(dtype=float) * line.factor
    transform = axis.transData
    if len(x) == 1:
        figure = axis.get_figure(root=True)
        assert figure is not None
        transform = transform + ScaledTranslation(line.shift / 72, 0, figure.dpi_scale_trans)
    if line.low and len(x) == 1:
        axis.plot([x[0]] * 2, [rows[end].iloc[0] * line.factor for end in (line.low, line.high)],
                  color=line.colour, linewidth=1.1, alpha=0.7, transform=transform)  # fmt: skip
    elif line.low:
        ribbon(axis, x, rows[line.low] * line.factor, rows[line.high] * line.factor, line.colour)
    axis.plot(
        x, y, color=line.colour, linewidth=line.width, marker="o", clip_on=False, transform=transform,
        linestyle=(0, (3.2, 1.8)) if line.dashed else "-",
        markerfacecolor=PAPER if line.dashed else line.colour, markeredgewidth=1,
        markersize=3.6 if line.width > 1 else 2.2,
    )  # fmt: skip
    return (float(y[-1]), line.label, line.colour) if line.label else None


def value_limits(frames: list[pd.Series], floor: float | None, ceiling: float | None) -> tuple[float, float]:
    """Returns axis limits that contain all finite values with a margin, within the range of the metric."""
    values = np.concatenate([np.asarray(frame, dtype=float) for frame in frames] or [np.array([])])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or 0.05 * (abs(high) or 1)
    low, high = low - pad, high + pad
    return (low if floor is None else max(low, floor)), (high if ceiling is None else min(high, ceiling))
