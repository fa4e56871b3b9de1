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
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from clt_ray.errors import CltRayError, ConfigurationError, Problem
from clt_ray.suggest import Closest, nearest, remedy

T = TypeVar("T")


class UnknownNameError(CltRayError, LookupError):
    """Raised for a name that no declaration of a registry has; the message names the choices and the closest one."""


class Registry(Mapping[str, T], Generic[T]):
    """Declarations by name: those of this package in canonical order, then those of other packages by name.

    Looking up a built-in name loads no other package. Iterating, and looking up any other name, loads the entry
    points of the group once per process, which raises `ConfigurationError` if one of them cannot be loaded.
    """

    def __init__(
        self,
        group: str,
        kind: type[T] | tuple[type, ...],
        built_in: Iterable[T],
        *,
        key: str = "name",
        aliases: Callable[[T], Iterable[str]] = lambda _: (),
        closest: Closest = nearest,
    ) -> None:
        """Creates a registry.

        Args:
            group: Group of entry points, `clt_ray.` and the plural of what `kind` is, such as `clt_ray.tasks`.
            key: Attribute of a declaration that holds its name.
            aliases: Returns further names by which `find` and `require` know a declaration.
            closest: Returns which of the known names a wrong one probably means, for the error.
        """
        self.group = group
        self.built_in: Mapping[str, T] = {getattr(declaration, key): declaration for declaration in built_in}
        """The declarations of this package, by name."""
        self._kind, self._key, self._aliases, self._closest = kind, key, aliases, closest
        self._all: Mapping[str, T] | None = None

    def __getitem__(self, name: str) -> T:
        return self.built_in[name] if name in self.built_in else self._with_plugins()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._with_plugins())

    def __len__(self) -> int:
        return len(self._with_plugins())

    def find(self, name: str) -> T | None:
        """Returns the declaration with a name or alias, of this package if it has one; None if nobody declares it."""
        for declarations in (self.built_in, self):
            if name in declarations:
                return declarations[name]
            for declaration in declarations.values():
                if name in self._aliases(declaration):
                    return declaration
        return None

    def require(self, name: str) -> T:
        """Returns the declaration with a name or alias; raises `UnknownNameError` if nobody declares it."""
        declaration = self.find(name)
        if declaration is None:
            message = f"no installed package declares {name!r} among the {self._plural}"
            raise UnknownNameError(f"{message}\n    {self.remedy(name)}")
        return declaration

    def remedy(self, name: str) -> str:
        """Returns what to do about a name that nobody declares: the closest name, all names, how to declare it."""
        choices = remedy(name, self, self._plural, self._closest)
        return f"{choices}; to add it, install the package that declares it in the group {self.group}, on every node"

    @property
    def _plural(self) -> str:
        return self.group.rpartition(".")[2]

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
            package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "of unknown name"
            try:
                declaration = entry.load()
            except Exception as error:
                message = f"cannot be loaded: {type(error).__name__}: {error}"
            else:
                name = getattr(declaration, self._key, None)
                if not isinstance(declaration, self._kind) or not isinstance(name, str):
                    kinds = self._kind if isinstance(self._kind, tuple) else (self._kind,)
                    wanted = " or ".join(kind.__name__ for kind in kinds)
                    message = f"gives a {type(declaration).__name__}, not a {wanted}"
                elif name in owners:
                    message = f"declares {name!r}, which {owners[name]} declares already"
                else:
                    loaded[name], owners[name] = declaration, f"package {package}"
                    continue
            correction = f"correct {entry.value} in {package}, or uninstall the package"
            place = f"entry point {self.group}: {entry.name}"
            problems.append(Problem(f"package {package}", place, None, message, correction))
        if problems:
            raise ConfigurationError(problems)
        return dict(sorted(loaded.items()))


def resolved(value: Any) -> Any:
    """Returns the object that a declaration names as `module:name`, importing its module; other values as they are."""
    return pkgutil.resolve_name(value) if isinstance(value, str) else value
