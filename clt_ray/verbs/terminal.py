"""Text for people: tables of at most 100 columns, durations, sizes, and the wording of errors."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clt_ray.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 100
"""Columns that tables fit in when the output is not a terminal."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys instead of showing, such as those that begin commands or turn text around."""

CELL_COLUMNS = ("model", "task", "group", ">n", ">seed")


def console() -> Console:
    """Returns a console that is as wide as the terminal, or 100 columns elsewhere."""
    from rich.console import Console

    plain = Console()
    return plain if plain.is_terminal else Console(width=WIDTH)


def table(*headers: str) -> Table:
    """Returns a table without borders. A header that begins with `>` is that of a right-justified column."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for header in headers:
        grid.add_column(header.lstrip(">"), justify="right" if header.startswith(">") else "left", overflow="fold")
    return grid


class RepeatedCells:
    """Formats the values that name a cell and dims those that repeat the row above, so that series stand out."""

    def __init__(self) -> None:
        self._previous: tuple[str, ...] = ()

    def __call__(self, *values: object) -> list[str]:
        previous, row = self._previous, tuple(map(str, values))
        self._previous = row
        lengths = range(1, len(row) + 1)
        return [f"[dim]{text}[/dim]" if previous[:n] == row[:n] else text for n, text in zip(lengths, row, strict=True)]


def plain(text: str) -> str:
    """Returns text from outside with every character that a terminal would obey written as its code, as `\\x1b`.

    Rows, answers of models and messages of errors are from outside. Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escaped(text: str) -> str:
    """Returns `plain` text from outside in which Rich markup does not count."""
    from rich.markup import escape

    return escape(plain(text))


def print_lines(*lines: str) -> None:
    """Prints lines without highlighting or wrapping; Rich markup in them counts."""
    output = console()
    for line in lines:
        output.print(line, highlight=False, soft_wrap=True)


def print_json(document: object) -> None:
    """Prints a value as one line of JSON."""
    # `json.dump` encodes in Python, which takes as long as planning; `dumps` uses the encoder in C.
    print(json.dumps(document, ensure_ascii=False))


def print_result(result: Any, as_json: bool, print_table: Callable[..., None], *context: object) -> None:
    """Prints a verb's result as JSON for programs, or by a function of the result and its context for people."""
    if as_json:
        print_json(result.to_json())
    else:
        print_table(result, *context)


def problems(error: ConfigurationError) -> str:
    """Returns every problem on lines of its own, in red on a terminal."""
    count = len(error.problems)
    red, end = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    lines = [f"{red}{problem}{end}" for problem in error.problems]
    return "\n".join([*lines, f"{count} problem{'s' if count > 1 else ''}, nothing was started"])


def argument_error(verb: str, argument: str, value: object, message: str, remedy: str) -> ConfigurationError:
    """Returns the error of a command-line argument of a verb that cannot be used; see `Problem` for the parameters."""
    return ConfigurationError([Problem(f"clt-ray {verb}", argument, value, message, remedy)])


def duration(seconds: float | None) -> str:
    """Returns a duration as people write it: 45 s, 3 min 20 s, 2 h 5 min; `?` when it is unknown."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """Returns a number of bytes in units of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def loss(value: float | None) -> str:
    """Returns a loss with three decimals, or nothing when there is none."""
    return "" if value is None else f"{value:.3f}"
