"""What a sweep file means, read leniently: values of the right type, defaults for what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clt_ray.languages import STUDY_LANGUAGES
from clt_ray.sweep.catalog import CONTROL, LANGUAGE_GROUPS, MODELS, parse_tasks
from clt_ray.sweep.document import Document, KeyPath, as_list

AXES = ("model", "task", "language_group", "samples_per_language")
PATTERN_AXES = (*AXES, "seed")


def items(document: Document, *path: str | int) -> Iterator[tuple[KeyPath, Any]]:
    """The items of a list with their paths; a single value is a list of one, at the path of the key."""
    value = document.get(*path)
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    elif not isinstance(value, Mapping):
        yield from ((path, item) for item in as_list(value))


def texts(document: Document, *path: str | int) -> list[tuple[KeyPath, str]]:
    """The items of a list that are text."""
    return [(where, item) for where, item in items(document, *path) if isinstance(item, str)]


def counts(document: Document, *path: str | int) -> list[tuple[KeyPath, int]]:
    """The items of a list that are whole numbers."""
    return [(where, item) for where, item in items(document, *path) if type(item) is int]


def section(document: Document, *path: str | int) -> Mapping[str, Any]:
    """A mapping of the file; empty where there is none."""
    value = document.get(*path)
    return value if isinstance(value, Mapping) else {}


def axis_lists(document: Document) -> Iterator[tuple[str, KeyPath]]:
    """Every place that lists values of an axis: the grid, then each entry of `include` and `exclude`."""
    yield from ((axis, ("grid", axis)) for axis in AXES)
    for name in ("include", "exclude"):
        entries = document.get(name)
        for index in range(len(entries) if isinstance(entries, list) else 0):
            yield from ((axis, (name, index, axis)) for axis in PATTERN_AXES)


def known_models(document: Document) -> list[str]:
    """Names that the model axis may use."""
    return list(dict.fromkeys([*section(document, "models"), *MODELS]))


def language_groups(document: Document) -> dict[str, list[str]]:
    """Groups by name; what is not text in them is left out."""
    if not document.has("language_groups"):
        return {name: list(codes) for name, codes in LANGUAGE_GROUPS.items()}
    groups = section(document, "language_groups")
    return {name: [code for _, code in texts(document, "language_groups", name)] for name in groups}


def known_groups(document: Document) -> list[str]:
    """Names that the language group axis may use: groups, then their equal-volume controls."""
    groups = list(language_groups(document))
    return [*groups, *(f"{CONTROL}{name}" for name in groups)]


def eval_languages(document: Document) -> list[str]:
    """Evaluation languages."""
    given = [code for _, code in texts(document, "eval_languages")]
    return given if document.has("eval_languages") else list(STUDY_LANGUAGES)


def used(document: Document, axis: str) -> list[Any]:
    """Distinct values of an axis in the grid and in `include`, without regard to `exclude`."""
    default = ["all"] if axis == "language_group" and not document.has("grid", axis) else []
    found = [item for name, path in axis_lists(document) if name == axis and path[0] != "exclude"
             for _, item in items(document, *path)]  # fmt: skip
    return list(dict.fromkeys(value for value in [*default, *found] if isinstance(value, str | int)))


def used_tasks(document: Document) -> list[tuple[str, ...]]:
    """The valid task cells that the sweep has."""
    found = []
    for text in used(document, "task"):
        try:
            found.append(parse_tasks(text))
        except (ValueError, AttributeError):
            continue
    return list(dict.fromkeys(found))
