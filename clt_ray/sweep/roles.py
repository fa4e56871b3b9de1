"""Every field of every configuration model says what it is to a run's identity.

    batch_size: Identity[Count] = 64      # can change a run's numbers: enters run_id
    root: Content[str | None] = None      # points at content: the content's hash enters run_id, the pointer does not
    workers: Runtime[Count] = 1           # how or where a run executes, or how it is labelled: never enters run_id

A field with none of the three is a mistake that would either repeat finished runs for nothing or, worse, take a
different run for a finished one; `tests/sweep/test_roles.py` refuses it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
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


Identity = Annotated[T, Role.IDENTITY]
Content = Annotated[T, Role.CONTENT]
Runtime = Annotated[T, Role.RUNTIME]


@cache
def roles(model: type[Any]) -> dict[str, Role | None]:
    """Role of each field of a pydantic model or a dataclass; None where the author forgot to say."""
    if issubclass(model, BaseModel):
        annotated = {name: field.metadata for name, field in model.model_fields.items()}
    elif is_dataclass(model):
        hints = get_type_hints(model, include_extras=True)
        annotated = {field.name: getattr(hints[field.name], "__metadata__", []) for field in fields(model)}
    else:
        raise TypeError(f"{model.__name__} is neither a pydantic model nor a dataclass")
    return {
        name: next((item for item in metadata if isinstance(item, Role)), None) for name, metadata in annotated.items()
    }


@cache
def identity_fields(model: Any) -> tuple[str, ...]:
    """Names of the fields that enter run_id as they are, sorted."""
    return tuple(sorted(name for name, role in roles(model).items() if role is Role.IDENTITY))
