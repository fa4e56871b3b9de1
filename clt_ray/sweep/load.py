"""Loads a sweep file: a SweepSpec that can be expanded into runs, or all problems of the file at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.checks import check
from clt_ray.sweep.document import Document, read_document
from clt_ray.sweep.overrides import apply_overrides
from clt_ray.sweep.sections import is_path
from clt_ray.sweep.spec import SweepSpec
from clt_ray.sweep.structure import typed_values


def load_sweep(path: str | Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """Loads and checks a sweep file.

    Args:
        path: The file. Relative paths inside it start at its folder.
        overrides: `dotted.key=value` settings on top of it, values in YAML; relative paths in them start at the
            working directory.

    Raises:
        ConfigurationError: It holds every problem of the file and the overrides with place, key, value and remedy.
    """
    return _checked(apply_overrides(read_document(path), overrides))


def parse_sweep(content: Mapping[str, Any]) -> SweepSpec:
    """Checks a sweep given as plain values, as a file would hold them; errors are those of `load_sweep`."""
    sections = {key: value for key, value in content.items() if value is not None}
    return _checked(Document("sweep", sections, {}))


def _checked(document: Document) -> SweepSpec:
    spec, refused = typed_values(document)
    spec = _with_absolute_paths(spec, document)
    problems = [*document.problems, *refused.values(), *check(spec, document, refused)]
    if problems:
        raise ConfigurationError(sorted(problems, key=_place))
    return spec


def _place(problem: Problem) -> tuple[str, tuple[int, ...]]:
    """Returns the file of a problem and its line, to sort by; overrides come before files."""
    file, *numbers = problem.where.split(":")
    return file, tuple(int(number) for number in numbers if number.isdigit())


def _with_absolute_paths(spec: SweepSpec, document: Document) -> SweepSpec:
    """Returns the sweep with absolute local paths, which start as `load_sweep` says."""

    def absolute(location: str, *path: str) -> str:
        return str((document.base_of(path) / Path(location).expanduser()).absolute())

    models = {
        name: model.model_copy(update={"source": absolute(model.source, "models", name, "source")})
        for name, model in spec.models.items()
        if is_path(model.source)
    }
    data = {
        task: source.model_copy(update={"root": absolute(source.root, "data", task, "root")})
        for task, source in spec.data.items()
        if source.root is not None and "://" not in source.root
    }
    return spec.model_copy(update={"models": {**spec.models, **models}, "data": {**spec.data, **data}})
