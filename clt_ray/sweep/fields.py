"""Base class and field types of the configuration models."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from clt_ray.languages import LANGUAGES
from clt_ray.scorers import SCORERS
from clt_ray.sweep.identity import canonical_json
from clt_ray.sweep.roles import identity_values
from clt_ray.tasks import TASKS

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class SpecModel(BaseModel):
    """A frozen configuration model that refuses unknown keys. Its field docstrings are descriptions in the schema."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=()
    )

    @cached_property
    def identity_json(self) -> str:
        """Canonical JSON of the identity fields. It is cached, because thousands of runs share a model."""
        return canonical_json(_identity(self))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copies as pydantic does, without the cached identity of the original."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("identity_json", None)
        return copy


def _identity(value: object) -> object:
    if isinstance(value, SpecModel):
        return {name: _identity(item) for name, item in identity_values(value).items()}
    return value


def _list_names(known: Mapping[str, Any]) -> Callable[[JsonDict], None]:
    """Returns what lists the names in the schema, when it is made: importing this module loads no plug-in."""

    def extend(schema: JsonDict) -> None:
        if known:
            schema["enum"] = list(known)

    return extend


def _give_examples_of_tasks(schema: JsonDict) -> None:
    schema["examples"] = [*TASKS, "+".join(TASKS)]
    schema["minLength"] = 1


def _known_task(name: str) -> str:
    if name not in TASKS:
        *names, last = (repr(task) for task in TASKS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(names)} or {last}"})
    return name


def _known_scorer(name: str) -> str:
    if name not in SCORERS:
        names = ", ".join(map(repr, SCORERS)) or "none, since no installed package declares one"
        raise PydanticKnownError("literal_error", {"expected": f"the name of a scorer: {names}"})
    return name


# Strict, because a quoted number, or `true` in place of a number, is a mistake.
Count = Annotated[int, Field(strict=True, gt=0)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Name = Annotated[str, Field(strict=True, pattern=NAME_PATTERN)]
PositiveFloat = Annotated[float, Field(strict=True, gt=0)]
FloatOrZero = Annotated[float, Field(strict=True, ge=0)]
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1)]

LanguageCode = Annotated[str, Field(strict=True, json_schema_extra=_list_names(LANGUAGES))]
"""Language code of ISO 639-1. The schema lists the known codes; `checks` refuses others and suggests the closest."""

TaskName = Annotated[str, AfterValidator(_known_task), Field(strict=True, json_schema_extra=_list_names(TASKS))]
"""Name of a declared task."""

ScorerName = Annotated[str, AfterValidator(_known_scorer), Field(strict=True, json_schema_extra=_list_names(SCORERS))]
"""Name of a scorer that an installed package declares in the group `clt_ray.scorers`."""

TaskCell = Annotated[str, Field(strict=True, json_schema_extra=_give_examples_of_tasks)]
"""Name of one task, or names of several joined by `+` that are trained together."""


def one_or_many(value: Any) -> Any:
    """Turns a single value into a list of one."""
    return value if isinstance(value, list | tuple) or value is None else (value,)
