"""Read a sweep file: all of its problems at once, or a SweepSpec that can be expanded."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.checks import check
from clt_ray.sweep.checks.content import resolved
from clt_ray.sweep.document import Document, KeyPath, read_document
from clt_ray.sweep.overrides import apply_overrides
from clt_ray.sweep.sections import is_path
from clt_ray.sweep.spec import SweepSpec
from clt_ray.sweep.structure import structure_problems


def load_sweep(path: str | Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """Load and check a sweep file.

    Args:
        path: The file. Relative paths inside it start at its folder.
        overrides: `dotted.key=value` settings on top of it, values in YAML; relative paths in them start at the
            working directory.

    Raises:
        ConfigurationError: Every problem of the file and the overrides, each with place, key, value and remedy.
    """
    return _checked(apply_overrides(read_document(path), overrides))


def parse_sweep(content: Mapping[str, Any], name: str = "sweep") -> SweepSpec:
    """Check a sweep given as plain values, as a YAML file would hold them.

    Args:
        content: The sweep's mapping.
        name: What messages call it.

    Raises:
        ConfigurationError: Every problem.
    """
    given = {key: value for key, value in content.items() if value is not None}
    return _checked(Document(name, given, {}))


def _checked(document: Document) -> SweepSpec:
    problems = list(document.problems)
    spec = None
    try:
        spec = SweepSpec.model_validate(_with_absolute_paths(document).data)
    except ValidationError as error:
        problems += structure_problems(document, error)
    problems += check(document)
    if spec is None or problems:
        raise ConfigurationError(_in_file_order(problems))
    return spec


def _in_file_order(problems: Sequence[Problem]) -> list[Problem]:
    """Problems by line, each key's first one only, so that one slip is told once."""
    first: dict[tuple[str, str, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.where, problem.key, problem.message), problem)
    return sorted(first.values(), key=_place)


def _place(problem: Problem) -> tuple[str, tuple[int, ...]]:
    file, *numbers = problem.where.split(":") if problem.where.count(":") else [problem.where]
    return file, tuple(int(number) for number in numbers if number.isdigit())


def _with_absolute_paths(document: Document) -> Document:
    data = copy.deepcopy(dict(document.data))
    places: list[KeyPath] = [("data", task, "root") for task in _names(data.get("data"))]
    places += [("models", name, "source") for name in _names(data.get("models"))]
    for section, name, key in places:
        location = document.get(section, name, key)
        if isinstance(location, str) and (key == "root" or is_path(location)):
            path = resolved(document, (section, name, key), location).absolute()
            data[str(section)][name][key] = str(path)
    return replace(document, data=data)


def _names(section: Any) -> list[str]:
    return list(section) if isinstance(section, Mapping) else []
