"""Reads a sweep file into plain values, with the line of every key for error messages.

The file is read as YAML 1.2: only `true` and `false` are booleans, so `no` is the code of Norwegian; `1e-5` is a
number; dates and `12:30` are text. Reading runs no code: only mappings, sequences and scalars are built.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from clt_ray.errors import ConfigurationError, Problem

KeyPath = tuple[str | int, ...]
"""Keys and indices from the top of a file to a value: ("grid", "model", 0)."""


@dataclass(frozen=True)
class Document:
    """The content of a sweep file with its overrides applied."""

    file: str
    """Path of the file, as the user wrote it."""
    data: Mapping[str, Any]
    """The top-level mapping, without sections that are left empty."""
    origins: Mapping[KeyPath, str]
    """`file:line` of each key, or the override that set it."""
    problems: tuple[Problem, ...] = ()
    """Problems of the YAML and of the overrides, such as a key that occurs twice."""
    folder: Path = field(default_factory=Path)
    """Folder that relative paths inside the file start from."""

    def get(self, *path: str | int, default: Any = None) -> Any:
        """Returns the value at a path, or `default` where the file has none."""
        value: Any = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return default
        return value

    def has(self, *path: str | int) -> bool:
        """Returns whether the file has a value at a path."""
        return self.get(*path, default=...) is not ...

    def where(self, path: KeyPath) -> str:
        """Returns `file:line` of a key, or of the nearest key above it that the file has."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.file

    def problem(self, path: KeyPath, message: str, remedy: str = "", value: Any = ...) -> Problem:
        """Returns a problem with the value at a path; it shows `value`, by default the one in the file."""
        shown = self.get(*path) if value is ... else value
        return Problem(self.where(path), dotted(path), shown, message, remedy)

    def base_of(self, path: KeyPath) -> Path:
        """Returns the folder that a relative file name at a path starts from: for an override the working directory."""
        return Path() if self.where(path).startswith(OVERRIDE) else self.folder


OVERRIDE = "--set "


def dotted(path: KeyPath) -> str:
    """Returns a path in dotted notation: ("grid", "model", 0) -> "grid.model[0]"."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


class _Yaml12Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalar rules of YAML 1.2's core schema."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]


_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"

for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?[0-9][0-9_]*", tuple("-+0123456789")),
    ("float", _FLOAT, tuple("-+0123456789.")),
    ("merge", r"<<", ("<",)),
):
    _Yaml12Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first))

_Yaml12Loader.add_constructor(
    # YAML 1.2 has no underscores in numbers, but PyYAML, which reads YAML 1.1, accepts 10_000 and so do we. A leading 0
    # does not make a number octal here.
    "tag:yaml.org,2002:int",
    lambda loader, node: int(loader.construct_scalar(node)),  # type: ignore[arg-type]
)


def read_document(file: str | Path) -> Document:
    """Reads a sweep file; raises `ConfigurationError` if it cannot be read or is not a YAML mapping."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        siblings = ", ".join(sorted(map(str, Path(file).parent.glob("*.yaml"))))
        remedy = f"sweep files in that folder: {siblings}" if siblings else "give the path of a sweep file"
        raise ConfigurationError([Problem(str(file), "", None, f"cannot be read: {reason}", remedy)]) from error
    return parse_document(text, str(file), Path(file).parent)


def parse_document(text: str, file: str, folder: Path) -> Document:
    """Parses the text of a sweep file; raises `ConfigurationError` unless it is one YAML mapping."""
    try:
        loader = _Yaml12Loader(text)
        node = loader.get_single_node()
        reader = _Reader(loader, file)
        data = reader.value(node, ()) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        message = f"is not valid YAML: {', '.join(filter(None, (error.context, error.problem)))}"
        remedy = "check indentation, quotes and colons"
        raise ConfigurationError([Problem(where, "", None, message, remedy)]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError([Problem(file, "", None, f"is not valid YAML: {error}")]) from error
    if not isinstance(data, dict):
        raise ConfigurationError([Problem(file, "", data, "is not a mapping", "write `key: value` lines")])
    sections = {key: value for key, value in data.items() if value is not None}
    return Document(file, sections, reader.origins, tuple(reader.problems), folder)


class _Reader:
    """Builds plain values from YAML nodes and records the line of each key."""

    def __init__(self, loader: _Yaml12Loader, file: str) -> None:
        self.origins: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []
        self._loader, self._file = loader, file
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if id(node) in self._open:
            raise yaml.constructor.ConstructorError(None, None, "an alias inside its own anchor", node.start_mark)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _Yaml12Loader.DEFAULT_MAPPING_TAG:
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _Yaml12Loader.DEFAULT_SEQUENCE_TAG:
                lines = [f"{self._file}:{child.start_mark.line + 1}" for child in node.value]
                self.origins |= {(*path, index): line for index, line in enumerate(lines)}
                return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
            # Scalars, and nodes with an explicit tag, which the safe loader refuses.
            return self._loader.construct_object(node)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        written_nodes = {id(key) for key, _ in node.value}
        self._loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        written_keys: set[str] = set()
        for key_node, value_node in node.value:
            key = self._loader.construct_object(key_node, deep=True)
            line = f"{self._file}:{key_node.start_mark.line + 1}"
            if not isinstance(key, str):
                shown = dotted((*path, str(key)))
                self.problems.append(Problem(line, shown, None, "the key is not text", f'quote it: "{key}"'))
                continue
            if key in written_keys:
                remedy = f"keep one of the two; the first is at {self.origins[(*path, key)]}"
                self.problems.append(Problem(line, dotted((*path, key)), None, "the key occurs twice", remedy))
                continue
            # Keys that a merge (`<<`) added come first, and the keys that the mapping itself writes may replace them.
            if id(key_node) in written_nodes:
                written_keys.add(key)
            self.origins[(*path, key)] = line
            result[key] = self.value(value_node, (*path, key))
        return result
