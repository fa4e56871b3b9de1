"""What checks yield, and what several of them ask of a sweep."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from clt_ray.sweep.catalog import MODELS, parse_tasks
from clt_ray.sweep.document import KeyPath, dotted
from clt_ray.sweep.spec import SweepSpec


class Finding(NamedTuple):
    """Something wrong with a typed value of a sweep."""

    path: KeyPath
    """The value, by its path in the typed sweep."""
    message: str
    """What is wrong, as a clause."""
    remedy: str
    """What is allowed instead."""
    value: Any = ...
    """The value that the message shows; by default what the file has at the path."""
    compared_with: KeyPath | None = None
    """Another value without which there would be no finding."""


def duplicates(path: KeyPath, items: Iterable[Hashable]) -> Iterator[Finding]:
    """Yields a finding for every item of a list that repeats an earlier one."""
    first: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        if first.setdefault(item, index) != index:
            earlier = (*path, first[item])
            message = f"repeats {dotted(earlier)}"
            yield Finding((*path, index), message, "keep one of the two", compared_with=earlier)


def known_models(spec: SweepSpec) -> list[str]:
    """Names that the model axis may use: the models that the file defines, then the built-in ones."""
    return list(dict.fromkeys([*spec.models, *MODELS]))


def used_tasks(spec: SweepSpec) -> list[tuple[str, ...]]:
    """The values of the task axis that are valid, parsed."""
    parsed = []
    for text in spec.used("task"):
        try:
            parsed.append(parse_tasks(text))
        except ValueError:
            continue
    return list(dict.fromkeys(parsed))
