"""Suggests the closest known name for one that does not exist."""

from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches

CUTOFF = 0.5
"""Smallest similarity (2 x matching characters / all characters) of a name worth suggesting."""

LONGEST_LIST = 20
"""Largest number of known names that a remedy lists in full."""


def nearest(name: str, known: Collection[str], cutoff: float = CUTOFF) -> str | None:
    """Returns the known name that is most similar to a written one, ignoring case and separators.

    None is returned when no similarity, from 0 to 1, reaches `cutoff`.
    """
    by_plain_name = {_plain(candidate): candidate for candidate in known}
    matches = get_close_matches(_plain(name), by_plain_name, n=1, cutoff=cutoff)
    return by_plain_name[matches[0]] if matches else None


Closest = Callable[[str, Collection[str]], str | None]
"""Returns the known name that a wrong one probably means, or None."""


def remedy(name: object, known: Iterable[str], what: str, closest: Closest = nearest) -> str:
    """Says what to write instead of a name: the closest known name, and all known names where they are few.

    `what` is what the names stand for, in the plural: "tasks".
    """
    names = list(known)
    guess = closest(str(name), names)
    start = f"did you mean {guess!r}? " if guess else ""
    listed = ", ".join(names) if len(names) <= LONGEST_LIST else f"{', '.join(names[:LONGEST_LIST])}, ..."
    return f"{start}{what}: {listed}" if names else f"{start}there are no {what}"


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(".", "").replace(" ", "")
