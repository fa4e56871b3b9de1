"""Types the values of a sweep file, and reports each value that is refused in the terms of the file.

A refused value is replaced by one that leads to no further problem: its default, or a stand-in. The rest of the file is
typed nevertheless, so that the checks see it and one wrong value hides no other.
"""

import copy
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clt_ray.errors import Problem
from clt_ray.suggest import remedy
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.spec import EVERY_OTHER_MODEL, SweepSpec
from clt_ray.tasks import TASKS

_KEY = "[key]"
"""Marks an error in the key of a mapping, in pydantic's location of an error."""

_UNKNOWN = "unknown"
_STAND_INS: Mapping[KeyPath, Any] = {
    ("name",): _UNKNOWN,
    ("grid",): {"model": [], "task": [], "samples_per_language": []},
    ("grid", "model"): [],
    ("grid", "task"): [],
    ("grid", "samples_per_language"): [],
    ("language_groups", "*"): [],
    ("models", "*"): {"source": _UNKNOWN},
    ("models", "*", "source"): _UNKNOWN,
    ("hardware", "accelerator"): _UNKNOWN,
    ("hardware", "*", "*", "accelerator"): _UNKNOWN,
    ("hardware", "*", "accelerator"): _UNKNOWN,
}
"""Stand-ins by path, where a star matches any name or index. They replace refused values that are required, that other
sections refer to, or whose default would make correct values look wrong."""


class TypedSweep(NamedTuple):
    """The typed values of a sweep file, and which of its values were refused."""

    spec: SweepSpec
    """Every value of the file that has the right type, with defaults and stand-ins in place of the others."""
    refused: Mapping[KeyPath, Problem]
    """Problem of each refused key or value, by its path in the file."""


def typed_values(document: Document) -> TypedSweep:
    """Types the values of a sweep file; the result can be expanded into runs only if nothing was refused."""
    data = copy.deepcopy(dict(document.data))
    refused: dict[KeyPath, Problem] = {}
    dropped: set[KeyPath] = set()
    while True:
        try:
            return TypedSweep(SweepSpec.model_validate(data), refused)
        except ValidationError as error:
            problems = _problems(document, error)
            if problems.keys() <= dropped:
                raise  # These values are left out already, so the error is a bug of this module.
            for path in problems:
                # A stand-in that is refused as well shows that the key is wrong, not its value.
                stand_in = None if path in refused else _stand_in(path)
                if stand_in is None:
                    dropped.add(path)
                _replace(data, path, stand_in, problems.keys() | refused.keys())
            refused |= {path: problem for path, problem in problems.items() if path not in refused}


def _stand_in(path: KeyPath) -> Any:
    for pattern, value in _STAND_INS.items():
        if len(pattern) == len(path) and all(name in ("*", step) for name, step in zip(pattern, path, strict=True)):
            return copy.deepcopy(value)
    return None


def _replace(data: dict[str, Any], path: KeyPath, stand_in: Any, refused: Collection[KeyPath]) -> None:
    """Puts a stand-in in place of a refused value, or leaves the value out."""
    *above, last = path
    holder: Any = data
    for step in above:
        holder = holder[step]
    if isinstance(last, int):
        # A copy of another item keeps the indices of the list as they are in the file.
        sound = [index for index in range(len(holder)) if (*above, index) not in refused]
        if sound:
            holder[last] = holder[max((index for index in sound if index < last), default=sound[0])]
        else:
            holder.clear()
    elif stand_in is None:
        holder.pop(last, None)
    else:
        holder[last] = stand_in


def path_in_file(document: Document, path: Iterable[str | int]) -> KeyPath:
    """Returns the path in the file of a typed value or of a pydantic error.

    Steps that only the typed values have are left out: the index in a default or of a single value that stands for a
    list of one, `*` where one hardware entry is for all models, and pydantic's marks in the location of an error.
    """
    written: KeyPath = ()
    for step in path:
        value = document.get(*written)
        if not document.has(*written):
            added = isinstance(step, int)
        elif isinstance(value, list):
            added = not isinstance(step, int)
        elif isinstance(value, Mapping):
            is_mark = isinstance(step, int) or step == _KEY or step.startswith(("literal[", "tuple["))
            added = is_mark or (step == EVERY_OTHER_MODEL and step not in value)
        else:
            added = True
        if not added:
            written = (*written, step)
    return written


def _problems(document: Document, error: ValidationError) -> dict[KeyPath, Problem]:
    """Returns a problem for each key or value that pydantic refused, by its path in the file.

    Where a value may have several forms, pydantic reports an error for each of them. Only the deepest error is kept,
    because it belongs to the form that the user chose.
    """
    problems: dict[KeyPath, Problem] = {}
    for details in error.errors(include_url=False):
        path = path_in_file(document, details["loc"])
        problems.setdefault(path, _problem(document, path, details))
    above = {path[:length] for path in problems for length in range(len(path))}
    return {path: problem for path, problem in problems.items() if path not in above}


def _problem(document: Document, path: KeyPath, details: ErrorDetails) -> Problem:
    kind, location, context = details["type"], details["loc"], details.get("ctx", {})
    section, purpose = _schema_at(location)
    if kind == "extra_forbidden":
        return document.problem(path, "unknown key", remedy(path[-1], section.model_fields, "known keys"))
    if kind == "literal_error" and location[-1] == _KEY:
        return document.problem(path, "unknown key", remedy(path[-1], TASKS, "known keys"))
    if kind == "missing":
        return document.problem(path, "is missing", f"add it. {purpose}", value=None)
    message, allowed = _REFUSALS.get(kind, lambda _: (details["msg"], ""))(context)
    return document.problem(path, message, f"{allowed}{purpose}")


_NAME_RULE = "may hold only letters, digits, `_`, `.` and `-`, and starts with a letter or digit"
_SECTION = ("is not a section", "write `key: value` lines below it. ")

_REFUSALS: dict[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "int_type": lambda _: ("is not a whole number", "write a whole number without quotes. "),
    "int_from_float": lambda _: ("is not a whole number", "write a number without a fraction. "),
    "float_type": lambda _: ("is not a number", "write a number without quotes. "),
    "finite_number": lambda _: ("is not a finite number", "write a finite number. "),
    "bool_type": lambda _: ("is neither true nor false", "write true or false without quotes. "),
    "string_type": lambda _: ("is not text", "put it in quotes. "),
    "string_too_short": lambda _: ("is empty", "write something or remove the key. "),
    "string_pattern_mismatch": lambda _: (_NAME_RULE, "choose another name. "),
    "greater_than": lambda ctx: (f"is not greater than {ctx['gt']:g}", f"write a number above {ctx['gt']:g}. "),
    "greater_than_equal": lambda ctx: (f"is less than {ctx['ge']:g}", f"write {ctx['ge']:g} or more. "),
    "less_than": lambda ctx: (f"is not less than {ctx['lt']:g}", f"write a number below {ctx['lt']:g}. "),
    "literal_error": lambda ctx: ("is not one of the choices", f"write {ctx['expected']}. "),
    "too_short": lambda _: ("is empty", "list at least one. "),
    "tuple_type": lambda _: ("is not a list", "write [a, b]. "),
    "model_type": lambda _: _SECTION,
    "mapping_type": lambda _: _SECTION,
    "dict_type": lambda _: _SECTION,
}
"""Message and remedy by pydantic's name of the error, made from the context of the error."""


def _schema_at(location: Iterable[str | int]) -> tuple[type[BaseModel], str]:
    """Returns the model of the innermost section at a location, and the description of the last field on the path."""
    section: type[BaseModel] = SweepSpec
    purpose = ""
    for step in location:
        if step in section.model_fields:
            field = section.model_fields[str(step)]
            purpose = " ".join((field.description or "").split())
            section = _model_inside(field.annotation) or section
    return section, purpose


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    """Returns the model that a field contains directly, in a list, or as the values of a mapping; None without one."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for part in typing.get_args(annotation) if (model := _model_inside(part))), None)
