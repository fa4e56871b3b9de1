"""Names that must exist, lists that must not repeat themselves."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from clt_ray.errors import Problem
from clt_ray.languages import ENGLISH, LANGUAGES, nearest_language
from clt_ray.suggest import remedy
from clt_ray.sweep.catalog import ENGLISH_ONLY, TASK_SEPARATOR, TASKS, parse_tasks
from clt_ray.sweep.checks.reading import (
    axis_lists,
    counts,
    items,
    known_groups,
    known_models,
    language_groups,
    section,
    texts,
)
from clt_ray.sweep.document import Document, KeyPath, dotted


def check_axes(document: Document) -> Iterator[Problem]:
    """The values of each axis exist, are distinct, and sample counts rise."""
    for axis, path in axis_lists(document):
        value = document.get(*path)
        if isinstance(value, list) and not value:
            yield document.problem(path, "is empty, so the grid has no cell", f"list at least one {_spoken(axis)}")
        if axis == "task":
            yield from _tasks(document, path)
        elif axis in ("model", "language_group"):
            known = known_models(document) if axis == "model" else known_groups(document)
            yield from _known(document, path, known, _spoken(axis))
            yield from duplicates(document, texts(document, *path))
        else:
            yield from duplicates(document, counts(document, *path))
        if path == ("grid", "samples_per_language"):
            yield from _ascending(document, path)
    if document.get("seeds") == []:
        yield document.problem(("seeds",), "is empty, so the grid has no cell", "list at least one seed")
    yield from duplicates(document, counts(document, "seeds"))


def check_groups(document: Document) -> Iterator[Problem]:
    """Language groups hold distinct non-English languages, and no two groups are the same."""
    known = language_groups(document)
    seen: dict[frozenset[str], str] = {}
    for name, codes in known.items():
        path: KeyPath = ("language_groups", name)
        if name == ENGLISH_ONLY:
            yield document.problem(path, "is the name of runs without a group", "choose another name")
        if not codes and document.get(*path) == []:
            yield document.problem(path, "has no language", "list training languages, or use n = 0 for English only")
        for where, code in texts(document, *path):
            if code == ENGLISH:
                message = "English is in every mixture and belongs to no group"
                yield document.problem(where, message, "remove it; english_samples says how many English rows")
        # Equal sets are equal runs, and two names for one run would split its curve.
        twin = seen.setdefault(frozenset(codes), name)
        if codes and twin != name:
            yield document.problem(path, f"holds the same languages as {dotted(('language_groups', twin))}",
                                   "keep one of the two")  # fmt: skip


def check_languages(document: Document) -> Iterator[Problem]:
    """Every language exists and is listed once."""
    paths: list[KeyPath] = [("language_groups", name) for name in section(document, "language_groups")]
    paths.append(("eval_languages",))
    if isinstance(document.get("selection", "languages"), list):
        paths.append(("selection", "languages"))
    for path in paths:
        found = texts(document, *path)
        yield from duplicates(document, found)
        for where, code in found:
            if code not in LANGUAGES:
                yield document.problem(where, "unknown language", _language_remedy(code))
    if document.get("eval_languages") == []:
        message = "is empty, so no run could be validated or scored"
        yield document.problem(("eval_languages",), message, "list language codes")


def duplicates(document: Document, found: Iterable[tuple[KeyPath, Hashable]]) -> Iterator[Problem]:
    """One problem for every item that repeats an earlier one."""
    first: dict[Hashable, KeyPath] = {}
    for path, item in found:
        if first.setdefault(item, path) != path:
            yield document.problem(path, f"repeats {dotted(first[item])}", "keep one of the two")


def _tasks(document: Document, path: KeyPath) -> Iterator[Problem]:
    valid = []
    for where, text in texts(document, *path):
        named = text.split(TASK_SEPARATOR)
        unknown = [task for task in named if task not in TASKS]
        if unknown:
            yield document.problem(where, f"unknown task {unknown[0]!r}", remedy(unknown[0], TASKS, "tasks"))
        elif len(set(named)) != len(named):
            yield document.problem(where, "names a task twice", f"write {TASK_SEPARATOR.join(dict.fromkeys(named))}")
        else:
            valid.append((where, parse_tasks(text)))
    # "math+summarization" and "summarization+math" are one cell.
    yield from duplicates(document, valid)


def _known(document: Document, path: KeyPath, known: list[str], what: str) -> Iterator[Problem]:
    for where, name in texts(document, *path):
        if name not in known:
            yield document.problem(where, f"unknown {what}", remedy(name, known, f"{what}s"))


def _ascending(document: Document, path: KeyPath) -> Iterator[Problem]:
    previous: Any = None
    for where, count in items(document, *path):
        if type(count) is not int:
            return
        if previous is not None and count < previous:
            message = f"is not in ascending order: {count} follows {previous}"
            yield document.problem(where, message, "sort the counts")
            return
        previous = count


def _language_remedy(code: str) -> str:
    guess = nearest_language(code)
    start = f"did you mean {guess!r} ({LANGUAGES[guess].name})? " if guess else ""
    return f"{start}languages are ISO 639-1 codes such as {', '.join(list(LANGUAGES)[:8])}"


def _spoken(axis: str) -> str:
    return axis.replace("_", " ")
