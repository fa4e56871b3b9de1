"""Roles of configuration fields: whether a field enters the identity of a run.

    batch_size: Identity[Count] = 64      # changes the numbers of a run: the value enters run_id
    root: Content[str | None] = None      # points at content: the content's hash enters run_id, the pointer does not
    workers: Runtime[Count] = 1           # decides how, where or under which name a run executes: not in run_id
    generate: AddedIdentity[...] = None   # as Identity, for fields added after a release: the default is not in run_id

Every field has a role, which `tests/sweep/test_roles.py` enforces: a field that is missing from the identity makes two
different runs look the same, and a field that does not belong there repeats finished runs.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel

T = TypeVar("T")


class Role(Enum):
    """How a field relates to the identity of a run."""

    IDENTITY = "identity"
    CONTENT = "content"
    RUNTIME = "runtime"


class _Unless(Enum):
    DEFAULT = "default"


Identity = Annotated[T, Role.IDENTITY]
AddedIdentity = Annotated[T, Role.IDENTITY, _Unless.DEFAULT]
"""For a field whose default gives the results that runs had before the field existed: they keep their run_id."""
Content = Annotated[T, Role.CONTENT]
Runtime = Annotated[T, Role.RUNTIME]


@cache
def roles(model: type[Any]) -> dict[str, Role | None]:
    """Returns the role of each field of a pydantic model or a dataclass; None for a field without one."""
    return {
        name: next((item for item in metadata if isinstance(item, Role)), None)
        for name, metadata in _metadata(model).items()
    }


@cache
def identity_fields(model: Any) -> tuple[str, ...]:
    """Returns the names of the fields whose values enter run_id, sorted."""
    return tuple(sorted(name for name, role in roles(model).items() if role is Role.IDENTITY))


@cache
def silent_defaults(model: Any) -> Mapping[str, Any]:
    """Returns the defaults of `AddedIdentity` fields by name; a field that has its default is left out of run_id."""
    added = [name for name, metadata in _metadata(model).items() if _Unless.DEFAULT in metadata]
    if issubclass(model, BaseModel):
        return {name: model.model_fields[name].get_default(call_default_factory=True) for name in added}
    defaults = {field.name: field.default for field in fields(model)}
    return {name: defaults[name] for name in added if defaults[name] is not MISSING}


def identity_values(instance: Any) -> dict[str, Any]:
    """Returns the values that enter run_id, by name of their field; `AddedIdentity` fields without their defaults."""
    kind: Any = type(instance)
    silent = silent_defaults(kind)
    values = {name: getattr(instance, name) for name in identity_fields(kind)}
    return {name: value for name, value in values.items() if name not in silent or silent[name] != value}


def _metadata(model: type[Any]) -> dict[str, Any]:
    """Returns the metadata in the annotation of each field."""
    if issubclass(model, BaseModel):
        return {name: field.metadata for name, field in model.model_fields.items()}
    if is_dataclass(model):
        hints = get_type_hints(model, include_extras=True)
        return {field.name: getattr(hints[field.name], "__metadata__", []) for field in fields(model)}
    raise TypeError(f"{model.__name__} is neither a pydantic model nor a dataclass")
