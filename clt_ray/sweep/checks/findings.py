"""The findings that checks yield, and functions that several checks use."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from clt_ray.sweep.catalog import MODELS, parse_tasks
from clt_ray.sweep.document import KeyPath, dotted
from clt_ray.sweep.spec import SweepSpec


class Finding(NamedTuple):
    """A typed value of a sweep that is wrong."""

    path: KeyPath
    """Path of the value in the typed sweep."""
    message: str
    """What is wrong, as a clause."""
    remedy: str
    """What is allowed instead."""
    value: Any = ...
    """The value that the message shows; by default what the file has at the path."""
    compared_with: KeyPath | None = None
    """Path of the value that the wrong one is compared with, if it is part of the same list."""


def duplicates(path: KeyPath, items: Iterable[Hashable]) -> Iterator[Finding]:
    """Yields a finding for every item of a list that repeats an earlier one."""
    first: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        if first.setdefault(item, index) != index:
            earlier = (*path, first[item])
            message = f"repeats {dotted(earlier)}"
            yield Finding((*path, index), message, "keep one of the two", compared_with=earlier)


def known_models(spec: SweepSpec) -> list[str]:
    """Returns the names that the model axis may use: the models of the file, then the built-in ones."""
    return list(dict.fromkeys([*spec.models, *MODELS]))


def used_tasks(spec: SweepSpec) -> list[tuple[str, ...]]:
    """Returns the parsed values of the task axis, without the invalid ones."""
    parsed = []
    for text in spec.used("task"):
        try:
            parsed.append(parse_tasks(text))
        except ValueError:
            continue
    return list(dict.fromkeys(parsed))
