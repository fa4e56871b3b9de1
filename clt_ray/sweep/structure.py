"""The shape of a sweep file: types, ranges and names of keys, reported in the file's own terms."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clt_ray.errors import Problem
from clt_ray.suggest import remedy
from clt_ray.sweep.catalog import TASKS
from clt_ray.sweep.document import Document, KeyPath, dotted
from clt_ray.sweep.spec import EVERY_OTHER_MODEL, SweepSpec

_KEY = "[key]"
"""pydantic's mark for an error in a mapping's key."""


def structure_problems(document: Document, error: ValidationError) -> list[Problem]:
    """One problem for each key that pydantic refused, in the order of the file's sections.

    Where a value may have several forms pydantic reports each that failed; only the deepest of them is kept, which
    is the one about the form that the user chose.
    """
    found: dict[KeyPath, Problem] = {}
    for details in error.errors(include_url=False):
        path = _path_in_file(document, details["loc"])
        found.setdefault(path, _problem(document, path, details))
    return [
        problem
        for path, problem in found.items()
        if not any(len(other) > len(path) and other[: len(path)] == path for other in found)
    ]


def _path_in_file(document: Document, loc: Iterable[str | int]) -> KeyPath:
    """Where in the file an error is: without the steps that validation added to what the user wrote."""
    path: KeyPath = ()
    for step in loc:
        value = document.get(*path) if path else document.data
        added = (
            step == _KEY
            or (step == EVERY_OTHER_MODEL and not document.has(*path, step))
            or not isinstance(value, Mapping | list)
            or (isinstance(value, list) and not isinstance(step, int))
            or (isinstance(step, str) and step.startswith(("literal[", "tuple[")))
        )
        if not added:
            path = (*path, step)
    return path


def _problem(document: Document, path: KeyPath, details: ErrorDetails) -> Problem:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden" or (details["loc"][-1] == _KEY and kind == "literal_error"):
        known = TASKS if details["loc"][-1] == _KEY else _keys_beside(details["loc"])
        return document.problem(path, "unknown key", remedy(path[-1], known, "known keys"))
    if kind == "missing":
        purpose = _description(details["loc"])
        return Problem(document.where(path), dotted(path), None, "is missing", f"add it. {purpose}")
    message, allowed = _REFUSALS.get(kind, lambda _: (details["msg"], ""))(context)
    return document.problem(path, message, f"{allowed}{_description(details['loc'])}")


_NAME_RULE = "may hold only letters, digits, `_`, `.` and `-`, and starts with a letter or digit"
_SECTION = ("is not a section", "write `key: value` lines below it. ")

_REFUSALS: dict[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "int_type": lambda _: ("is not a whole number", "write one without quotes. "),
    "int_from_float": lambda _: ("is not a whole number", "write one without a fraction. "),
    "float_type": lambda _: ("is not a number", "write one without quotes. "),
    "finite_number": lambda _: ("is not a finite number", "write one. "),
    "bool_type": lambda _: ("is neither true nor false", "write one of them without quotes. "),
    "string_type": lambda _: ("is not text", "put it in quotes. "),
    "string_too_short": lambda _: ("is empty", "write something or remove the key. "),
    "string_pattern_mismatch": lambda _: (_NAME_RULE, "choose such a name. "),
    "greater_than": lambda ctx: (f"is not greater than {ctx['gt']:g}", f"write a number above {ctx['gt']:g}. "),
    "greater_than_equal": lambda ctx: (f"is less than {ctx['ge']:g}", f"write {ctx['ge']:g} or more. "),
    "less_than": lambda ctx: (f"is not less than {ctx['lt']:g}", f"write a number below {ctx['lt']:g}. "),
    "literal_error": lambda ctx: ("is not one of the choices", f"write {ctx['expected']}. "),
    "tuple_type": lambda _: ("is not a list", "write [a, b]. "),
    "model_type": lambda _: _SECTION,
    "mapping_type": lambda _: _SECTION,
    "dict_type": lambda _: _SECTION,
}
"""What is wrong with a value and what to write instead, by pydantic's name of the error."""


def _description(loc: Iterable[str | int]) -> str:
    """What the field is for, from its own documentation."""
    model: type[BaseModel] | None = SweepSpec
    text = ""
    for step in loc:
        if model is not None and step in model.model_fields:
            field = model.model_fields[str(step)]
            text = " ".join((field.description or "").split())
            model = _model_inside(field.annotation)
    return text


def _keys_beside(loc: Iterable[str | int]) -> list[str]:
    """Keys that the section of an unknown key has."""
    model: type[BaseModel] | None = SweepSpec
    for step in loc:
        if model is not None and step in model.model_fields:
            model = _model_inside(model.model_fields[str(step)].annotation)
    return list(model.model_fields) if model else []


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, directly, in a list or as the values of a mapping."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for part in typing.get_args(annotation) if (model := _model_inside(part))), None)
