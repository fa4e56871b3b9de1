"""Declarations that other packages contribute through entry points.

A package of a user names an object of its own in its `pyproject.toml`, and every process that has the package
installed knows the object:

    [project.entry-points."clt_ray.tasks"]
    spelling = "my_package:SPELLING"

The groups are `clt_ray.tasks`, `clt_ray.languages`, `clt_ray.families` and `clt_ray.scorers`. `Registry` joins the
declarations of this package with those of a group. docs/extend.md has a recipe for each group.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from clt_ray.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Declarations by name: those of this package in canonical order, then those of other packages by name.

    Looking up a built-in name loads no other package. Iterating, and looking up any other name, loads the entry
    points of the group once per process.
    """

    def __init__(self, group: str, kind: type[T] | tuple[type, ...], built_in: Iterable[T], key: str = "name") -> None:
        """Creates a registry of a group of entry points, which must give objects of `kind` with their name in `key`."""
        self.group = group
        self.built_in: Mapping[str, T] = {getattr(declaration, key): declaration for declaration in built_in}
        """The declarations of this package, by name."""
        self._kind, self._key = kind, key
        self._all: Mapping[str, T] | None = None

    def __getitem__(self, name: str) -> T:
        return self.built_in[name] if name in self.built_in else self._with_plugins()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._with_plugins())

    def __len__(self) -> int:
        return len(self._with_plugins())

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in self._with_plugins()

    def _with_plugins(self) -> Mapping[str, T]:
        if self._all is None:
            self._all = {**self.built_in, **self._load()}
        return self._all

    def _load(self) -> dict[str, T]:
        from importlib.metadata import entry_points

        loaded: dict[str, Any] = {}
        owners = dict.fromkeys(self.built_in, "clt-ray itself")
        problems = []
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, entry.value)):
            try:
                declaration = entry.load()
            except Exception as error:
                problems.append(_problem(self.group, entry, f"cannot be loaded: {type(error).__name__}: {error}"))
                continue
            name = getattr(declaration, self._key, None)
            if not isinstance(declaration, self._kind) or not isinstance(name, str):
                kinds = self._kind if isinstance(self._kind, tuple) else (self._kind,)
                wanted = " or ".join(kind.__name__ for kind in kinds)
                message = f"gives a {type(declaration).__name__}, not a {wanted}"
            elif name in owners:
                message = f"declares {name!r}, which {owners[name]} declares already"
            else:
                loaded[name], owners[name] = declaration, f"package {_package(entry)}"
                continue
            problems.append(_problem(self.group, entry, message))
        if problems:
            raise ConfigurationError(problems)
        return dict(sorted(loaded.items()))


def _problem(group: str, entry: EntryPoint, message: str) -> Problem:
    package = _package(entry)
    remedy = f"correct {entry.value} in {package}, or uninstall the package"
    return Problem(f"package {package}", f"entry point {group}: {entry.name}", None, message, remedy)


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "of unknown name"


def resolved(value: Any) -> Any:
    """Returns the object that a declaration names as `module:name`, importing its module; other values as they are."""
    return pkgutil.resolve_name(value) if isinstance(value, str) else value
