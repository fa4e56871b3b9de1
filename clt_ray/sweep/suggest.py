"""The nearest name to one that does not exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

CUTOFF = 0.5
"""Least similarity (2 x matching characters / all characters) of a name worth suggesting."""

LONGEST_LIST = 20


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name most like `name`, ignoring case and separators; None when none is alike."""
    plain = {_plain(candidate): candidate for candidate in known}
    match = get_close_matches(_plain(name), plain, n=1, cutoff=CUTOFF)
    return plain[match[0]] if match else None


def remedy(name: object, known: Iterable[str], what: str) -> str:
    """What to write instead: the nearest known name, and all of them where they are few."""
    names = list(known)
    guess = nearest(str(name), names)
    start = f"did you mean {guess!r}? " if guess else ""
    listed = ", ".join(names) if len(names) <= LONGEST_LIST else f"{', '.join(names[:LONGEST_LIST])}, ..."
    return f"{start}{what}: {listed}" if names else f"{start}there are no {what}"


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(".", "").replace(" ", "")
