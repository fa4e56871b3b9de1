"""Applies settings from the command line to a sweep file: `training.batch_size=32`, `seeds=[0, 1]`.

Values are YAML. Where a key itself contains dots, as the names of models do, the longest key that exists is taken:
`hardware.llama-3.1-8b.topology=8x8`. A new key that contains dots is quoted: `models."mini-1.0".source=bundled`.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.catalog import MODELS
from clt_ray.sweep.document import OVERRIDE, Document, KeyPath, parse_document

_QUOTED, _PLAIN = r'"([^"]+)"', r'([^".]+)'
_PART = re.compile(f"{_QUOTED}|{_PLAIN}")
_KEY = re.compile(rf"({_PART.pattern})(\.({_PART.pattern}))*")


def apply_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """Returns the document with every override applied in turn; wrong overrides become problems of the document."""
    data = copy.deepcopy(dict(document.data))
    origins = dict(document.origins)
    problems = list(document.problems)
    for override in overrides:
        try:
            path, value = _parse(override, data)
            _assign(data, path, value)
        except _BadOverride as error:
            remedy = "write key=value with a dotted key, such as training.batch_size=32"
            problems.append(Problem(f"{OVERRIDE}{override}", "", None, str(error), remedy))
            continue
        origins = {key: line for key, line in origins.items() if key[: len(path)] != path}
        origins[path] = f"{OVERRIDE}{override}"
    return replace(document, data=data, origins=origins, problems=tuple(problems))


class _BadOverride(Exception):
    """An override that cannot be parsed or applied."""


def _parse(override: str, data: Mapping[str, Any]) -> tuple[KeyPath, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise _BadOverride("is not key=value")
    try:
        value = parse_document(f"value: {text}", override, Path()).data.get("value")
    except ConfigurationError as error:
        raise _BadOverride(f"the value {text!r} is not valid YAML") from error
    if not _KEY.fullmatch(key.strip()):
        raise _BadOverride(f"{key.strip()!r} is not a dotted key")
    matches = list(_PART.finditer(key.strip()))
    parts = [(match[1] or match[2], match[1] is not None) for match in matches]
    path: list[str | int] = []
    level: Any = data
    while parts:
        step, used = _step(parts, level)
        path.append(step)
        parts = parts[used:]
        level = level[step] if _holds(level, step) else None
    return tuple(path), value


def _step(parts: Sequence[tuple[str, bool]], level: Any) -> tuple[str | int, int]:
    """Returns the next key or index into `level`, and how many parts (each with whether it was quoted) it takes up.

    The longest sequence of unquoted parts that names an existing key is one key.
    """
    text, quoted = parts[0]
    if isinstance(level, list) and text.isdigit():
        return int(text), 1
    if not quoted:
        for count in range(len(parts), 1, -1):
            joined = ".".join(part for part, _ in parts[:count])
            if joined in MODELS or (isinstance(level, Mapping) and joined in level):
                return joined, count
    return text, 1


def _holds(level: Any, step: str | int) -> bool:
    if isinstance(level, list):
        return isinstance(step, int) and step < len(level)
    return isinstance(level, Mapping) and step in level


def _assign(data: dict[str, Any], path: KeyPath, value: Any) -> None:
    level: Any = data
    step: Any
    for depth, step in enumerate(path):
        is_last = depth == len(path) - 1
        if isinstance(level, list) and not _holds(level, step):
            raise _BadOverride(f"there is no item {step} in a list of {len(level)} items")
        if not isinstance(level, list | dict):
            raise _BadOverride(f"{'.'.join(map(str, path[:depth]))} is a single value, not a section")
        if is_last:
            level[step] = value
        elif not _holds(level, step) or level[step] is None:
            level[step] = {}
        level = level[step]
