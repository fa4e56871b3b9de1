"""Errors a user can act on. Everything else is a bug and keeps its traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CltRayError(Exception):
    """Base of all errors that the command line prints without a traceback."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what the user wrote, and what to do about it."""

    where: str
    """File (or command-line option) that holds the value."""
    key: str
    """Dotted path of the key inside `where`; empty when the whole file is meant."""
    value: object
    """The offending value as the user wrote it."""
    message: str
    """What is wrong, as a clause."""
    remedy: str = ""
    """What is allowed, or the next command to try."""

    def __str__(self) -> str:
        place = f"{self.where}: {self.key}" if self.key else self.where
        shown = "" if self.value is None else f" = {self.value!r}"
        remedy = f"\n    {self.remedy}" if self.remedy else ""
        return f"{place}{shown}: {self.message}{remedy}"


class ConfigurationError(CltRayError):
    """Wrong configuration or usage; holds every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(CltRayError):
    """Rows that cannot be read or are too few for what the sweep asks."""


class RunError(CltRayError):
    """A run that cannot succeed by being repeated, such as a non-finite loss."""
