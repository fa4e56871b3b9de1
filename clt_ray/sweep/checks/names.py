"""Checks the axes: names exist, lists do not repeat themselves, and there are cells, each with rows to train on."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from clt_ray.languages import ENGLISH, LANGUAGES, nearest_language
from clt_ray.suggest import remedy
from clt_ray.sweep.catalog import CONTROL, ENGLISH_ONLY, TASK_SEPARATOR
from clt_ray.sweep.checks.findings import Finding, duplicates, known_models, used_tasks
from clt_ray.sweep.document import KeyPath, dotted
from clt_ray.sweep.grid import cell_keys, matches, pattern_keys, product_keys
from clt_ray.sweep.spec import CellPattern, GridSpec, SweepSpec
from clt_ray.tasks import TASKS


def check_axes(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that every list of values of an axis holds some, each once, and the grid's sample counts ascend."""
    for path, values in _axis_lists(spec):
        if not values:
            yield Finding(path, "is empty, so the grid has no cell", f"list at least one {_axis_name(path)}")
        # "math+summarization" and "summarization+math" are one cell.
        is_task = path[-1] == "task"
        yield from duplicates(path, (tuple(sorted(text.split(TASK_SEPARATOR))) if is_task else text for text in values))
    path = ("grid", "samples_per_language")
    for index, (count, following) in enumerate(pairwise(spec.grid.samples_per_language)):
        if following < count:
            message = f"is not in ascending order: {following} follows {count}"
            yield Finding((*path, index + 1), message, "sort the counts")
            return


def check_names(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that the models, language groups and tasks that the axes name exist."""
    groups = list(spec.language_groups)
    known = {"model": known_models(spec), "language_group": [*groups, *(f"{CONTROL}{name}" for name in groups)]}
    for path, values in _axis_lists(spec):
        axis = str(path[-1])
        for index, value in enumerate(values):
            if axis == "task":
                yield from _task_findings((*path, index), value)
            elif axis in known and value not in known[axis]:
                name = _axis_name(path)
                yield Finding((*path, index), f"unknown {name}", remedy(value, known[axis], f"{name}s"), value)


def check_groups(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that language groups hold non-English languages, and no two groups are the same."""
    first: dict[frozenset[str], str] = {}
    for name, codes in spec.language_groups.items():
        path: KeyPath = ("language_groups", name)
        if name == ENGLISH_ONLY:
            yield Finding(path, "is the name of runs without a group", "choose another name")
        if not codes:
            yield Finding(path, "has no language", "list training languages, or use n = 0 for English only")
            continue
        for index, code in enumerate(codes):
            if code == ENGLISH:
                message = "English is in every mixture and belongs to no group"
                yield Finding((*path, index), message, "remove it; english_samples says how many English rows")
        # Equal sets are equal runs, and two names for one run would split its curve.
        twin = first.setdefault(frozenset(codes), name)
        if twin != name:
            message = f"holds the same languages as {dotted(('language_groups', twin))}"
            yield Finding(path, message, "keep one of the two")


def check_cells(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that every `include` and `exclude` entry changes something, and the sweep is not empty."""
    if len(used_tasks(spec)) < len(spec.used("task")):
        return  # Cells need valid tasks; `check_names` reports the others.
    keys = set(product_keys(spec))
    for index, pattern in enumerate(spec.include):
        added = set(pattern_keys(spec, pattern))
        if added <= keys:
            message = "adds no cell that the sweep does not have already"
            yield Finding(("include", index), message, "remove it or change an axis")
        keys |= added
    for index, pattern in enumerate(spec.exclude):
        if not any(matches(pattern, key) for key in keys):
            yield Finding(("exclude", index), "matches no cell of the sweep", "remove it or correct its values")
    if keys and not cell_keys(spec):
        yield Finding(("exclude",), "removes every cell of the sweep", "exclude less", value=None)


def check_rows_to_train_on(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that English-only runs have English rows."""
    if spec.english_samples == 0 and 0 in spec.used("samples_per_language"):
        message = "with samples_per_language 0 leaves no training rows"
        yield Finding(("english_samples",), message, "remove 0 from samples_per_language")


def check_languages(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that every language exists and is listed once."""
    lists: dict[KeyPath, tuple[str, ...]] = {
        ("language_groups", name): codes for name, codes in spec.language_groups.items()
    }
    lists["eval_languages",] = spec.eval_languages
    if not isinstance(spec.selection.languages, str):
        lists["selection", "languages"] = spec.selection.languages
    for path, codes in lists.items():
        yield from duplicates(path, codes)
        for index, code in enumerate(codes):
            if code not in LANGUAGES:
                guess = nearest_language(code)
                start = f"did you mean {guess!r} ({LANGUAGES[guess].name})? " if guess else ""
                codes_known = f"{start}languages are ISO 639-1 codes such as {', '.join(list(LANGUAGES)[:8])}"
                yield Finding((*path, index), "unknown language", codes_known)
    if not spec.eval_languages:
        message = "is empty, so no run could be validated or scored"
        yield Finding(("eval_languages",), message, "list language codes")


def _axis_lists(spec: SweepSpec) -> Iterator[tuple[KeyPath, tuple[Any, ...]]]:
    """Returns every list of values of an axis with its path: in seeds, grid, `include` and `exclude`."""
    sections: dict[KeyPath, GridSpec | CellPattern] = {("grid",): spec.grid}
    sections |= {("include", index): pattern for index, pattern in enumerate(spec.include)}
    sections |= {("exclude", index): pattern for index, pattern in enumerate(spec.exclude)}
    yield ("seeds",), spec.seeds
    for path, section in sections.items():
        yield from (((*path, axis), values) for axis, values in section if values is not None)


def _axis_name(path: KeyPath) -> str:
    """Returns the name of the axis that a path ends in, in the singular."""
    return str(path[-1]).replace("_", " ").removesuffix("s")


def _task_findings(path: KeyPath, text: str) -> Iterator[Finding]:
    tasks = text.split(TASK_SEPARATOR)
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        yield Finding(path, f"unknown task {unknown[0]!r}", remedy(unknown[0], TASKS, "tasks"))
    elif len(set(tasks)) != len(tasks):
        yield Finding(path, "names a task twice", f"write {TASK_SEPARATOR.join(dict.fromkeys(tasks))}")
