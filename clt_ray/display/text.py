"""Plain text pieces shared by tables, progress lines and errors."""

from __future__ import annotations

import sys

from clt_ray.errors import ConfigurationError


def problems(error: ConfigurationError) -> str:
    """Every problem on its own lines, in red on a terminal."""
    count = len(error.problems)
    red, end = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    lines = [f"{red}{problem}{end}" for problem in error.problems]
    return "\n".join([*lines, f"{count} problem{'s' if count > 1 else ''}, nothing was started"])


def duration(seconds: float | None) -> str:
    """A duration as a person says it: 45 s, 3 min 20 s, 2 h 5 min; `?` when unknown."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes in units of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
