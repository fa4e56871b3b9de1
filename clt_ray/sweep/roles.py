"""Every field of every configuration model says what it is to a run's identity.

    batch_size: Identity[Count] = 64      # can change a run's numbers: enters run_id
    root: Content[str | None] = None      # points at content: the content's hash enters run_id, the pointer does not
    workers: Runtime[Count] = 1           # how or where a run executes, or how it is labelled: never enters run_id
    generate: AddedIdentity[...] = None   # Identity, added when runs existed: enters run_id unless it is the default

A field with none of them is a mistake that would either repeat finished runs for nothing or, worse, take a
different run for a finished one; `tests/sweep/test_roles.py` refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel

T = TypeVar("T")


class Role(Enum):
    """What a field is to a run's identity."""

    IDENTITY = "identity"
    CONTENT = "content"
    RUNTIME = "runtime"


class _Unless(Enum):
    DEFAULT = "default"


Identity = Annotated[T, Role.IDENTITY]
AddedIdentity = Annotated[T, Role.IDENTITY, _Unless.DEFAULT]
"""Its default gives the numbers that runs had before the field existed, so they keep their identity."""
Content = Annotated[T, Role.CONTENT]
Runtime = Annotated[T, Role.RUNTIME]


@cache
def roles(model: type[Any]) -> dict[str, Role | None]:
    """Role of each field of a pydantic model or a dataclass; None where the author forgot to say."""
    return {
        name: next((item for item in metadata if isinstance(item, Role)), None)
        for name, metadata in _metadata(model).items()
    }


@cache
def identity_fields(model: Any) -> tuple[str, ...]:
    """Names of the fields that enter run_id as they are, sorted."""
    return tuple(sorted(name for name, role in roles(model).items() if role is Role.IDENTITY))


@cache
def silent_defaults(model: Any) -> Mapping[str, Any]:
    """Defaults that leave a field out of run_id, by the name of the field."""
    added = [name for name, metadata in _metadata(model).items() if _Unless.DEFAULT in metadata]
    if issubclass(model, BaseModel):
        return {name: model.model_fields[name].get_default(call_default_factory=True) for name in added}
    return {
        field.name: field.default for field in fields(model) if field.name in added and field.default is not MISSING
    }


def _metadata(model: type[Any]) -> dict[str, Any]:
    """What the annotation of each field carries."""
    if issubclass(model, BaseModel):
        return {name: field.metadata for name, field in model.model_fields.items()}
    if is_dataclass(model):
        hints = get_type_hints(model, include_extras=True)
        return {field.name: getattr(hints[field.name], "__metadata__", []) for field in fields(model)}
    raise TypeError(f"{model.__name__} is neither a pydantic model nor a dataclass")
