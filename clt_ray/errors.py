"""Errors that a user can act on. Any other exception is a bug and keeps its traceback."""

from collections.abc import Sequence
from dataclasses import dataclass


class CltRayError(Exception):
    """Base class of the errors that the command line prints without a traceback."""


@dataclass(frozen=True)
class Problem:
    """One mistake in the configuration or the command line, and how to correct it."""

    where: str
    """File with its line, or command-line option, that holds the value."""
    key: str
    """Dotted path of the key inside `where`; empty when the problem concerns the whole file."""
    value: object
    """The refused value as the user wrote it; None when there is none to show."""
    message: str
    """What is wrong, as a clause whose subject is the key."""
    remedy: str = ""
    """What is allowed instead, or the next command to try."""

    def __str__(self) -> str:
        place = f"{self.where}: {self.key}" if self.key else self.where
        shown = "" if self.value is None else f" = {self.value!r}"
        remedy = f"\n    {self.remedy}" if self.remedy else ""
        return f"{place}{shown}: {self.message}{remedy}"


class ConfigurationError(CltRayError):
    """Wrong configuration or usage. It holds every problem that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(CltRayError):
    """Rows cannot be read, or are fewer than the sweep needs."""


class RunStopped(CltRayError):
    """A run was asked to stop. It has written a checkpoint, and executing it again continues from there."""


class DisagreementError(CltRayError):
    """The processes of a run have read different rows, weights or checkpoints, or one of them could not read them."""


class StallError(CltRayError):
    """A process of a run made no progress for longer than its limit, so it ended itself."""


class RunError(CltRayError):
    """A run failed in a way that repeating it does not change, such as a non-finite loss."""


class TornTreeError(CltRayError, OSError):
    """A stored tree whose files differ from the files that its marker names.

    It is also an `OSError`, because to a reader of the tree it is a file that cannot be read.
    """

    def __init__(self, tree: str, file: str, reason: str) -> None:
        """Describes the damage: URI of the tree, path of the first differing file in it, and what is wrong with it."""
        self.tree, self.file, self.reason = tree, file, reason
        super().__init__(f"{tree}/{file}: {reason}")
