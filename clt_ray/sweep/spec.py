"""The sweep file as a typed object.

`load.load_sweep` reads and checks a file; `grid.expand` turns the object into runs. What cannot be said by one
field's type (a batch size that fits the mesh, a language that exists) is the business of `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from clt_ray.languages import STUDY_LANGUAGES
from clt_ray.sweep.catalog import LANGUAGE_GROUPS, MODELS, SOURCES, Task, controlled_group
from clt_ray.sweep.fields import (
    Count,
    CountOrZero,
    LanguageCode,
    Name,
    SpecModel,
    TaskCell,
    Text,
    one_or_many,
)
from clt_ray.sweep.roles import Content, Identity, Runtime
from clt_ray.sweep.sections import (
    DataSource,
    EvaluationSpec,
    HardwareSpec,
    ModelSpec,
    SelectionSpec,
    TrainingSpec,
    ValidationSpec,
)

EVERY_OTHER_MODEL = "*"
"""Key of `hardware` for the models that it does not name."""


def _axis(value_type: Any) -> BeforeValidator:
    """A single value stands for a list of one."""
    return BeforeValidator(one_or_many, json_schema_input_type=value_type | list[value_type])


NameAxis = Annotated[tuple[Text, ...], _axis(Text)]
TaskAxis = Annotated[tuple[TaskCell, ...], _axis(TaskCell)]
CountAxis = Annotated[tuple[CountOrZero, ...], _axis(CountOrZero)]


class GridSpec(SpecModel):
    """The axes whose product is the sweep; each a list, or one value."""

    model: Identity[NameAxis]
    """Base models, by name."""
    task: Identity[TaskAxis]
    """Tasks; several joined by `+` are one multi-task cell."""
    language_group: Identity[NameAxis] = ("all",)
    """Names of language groups. `english:NAME` is the equal-volume control of a group: as many English rows in place
    of its non-English ones."""
    samples_per_language: Identity[CountAxis]
    """Rows per non-English language and task, ascending; 0 is the English-only baseline."""


class CellPattern(SpecModel):
    """Cells to add or remove: each axis one value or a list; an axis left out stands for all of the grid's values."""

    model: Identity[NameAxis | None] = None
    """Base models."""
    task: Identity[TaskAxis | None] = None
    """Tasks."""
    language_group: Identity[NameAxis | None] = None
    """Language groups."""
    samples_per_language: Identity[CountAxis | None] = None
    """Rows per non-English language and task."""
    seed: Identity[CountAxis | None] = None
    """Seeds."""


class Axes(SpecModel):
    """The part of a sweep file that says which cells it has: the product, plus `include`, minus `exclude`."""

    seeds: Identity[CountAxis] = (0,)
    """Seeds; each repeats the whole grid with another sample of the rows and another order."""
    grid: Identity[GridSpec]
    """Axes whose product, with the seeds, is the sweep."""
    include: Identity[tuple[CellPattern, ...]] = ()
    """Cells beyond the product."""
    exclude: Identity[tuple[CellPattern, ...]] = ()
    """Cells to leave out, of the product and of `include`."""

    def used(self, axis: str) -> tuple[Any, ...]:
        """Distinct values of an axis in `grid` and `include`, whether or not `exclude` removes their cells."""
        lists = (getattr(section, axis) for section in (self.grid, *self.include))
        return tuple(dict.fromkeys(value for values in lists for value in values or ()))


class ModelSource(SpecModel):
    """A base model defined by a sweep file."""

    source: Content[Text]
    """`bundled`, a hub name, or a local directory (relative to the sweep file)."""
    revision: Content[Text | None] = None
    """Branch, tag or commit of a hub model."""
    parameters: Runtime[Count | None] = None
    """Number of parameters, for cost estimates and figures. Models from a billion on recompute activations; where it is
    not given, a local directory's files decide, and a hub model counts as large."""
    architecture: Runtime[Text | None] = None
    """Family that sharding rules are chosen by: `llama` or `cohere`."""


def _hardware_by_model(value: Any) -> Any:
    """A section without sections inside it describes the hardware of all models."""
    if isinstance(value, Mapping) and not any(isinstance(item, Mapping | SpecModel) for item in value.values()):
        return {EVERY_OTHER_MODEL: value}
    return value


class SweepSpec(Axes):
    """A sweep: one question about transfer, as a grid of runs."""

    name: Runtime[Name]
    """Name of the sweep: of its MLflow experiment and its report."""
    models: Content[Mapping[Name, ModelSource]] = Field(default_factory=dict)
    """Models beyond the built-in ones, by the name the grid uses."""
    language_groups: Identity[Mapping[Name, tuple[LanguageCode, ...]]] = Field(
        default_factory=lambda: dict(LANGUAGE_GROUPS)
    )
    """Named lists of non-English training languages."""
    english_samples: Identity[CountOrZero] = 10_000
    """English training rows per task."""
    eval_languages: Identity[tuple[LanguageCode, ...]] = STUDY_LANGUAGES
    """Languages that every run is validated and evaluated in."""
    data: Content[Mapping[Task, DataSource]] = Field(default_factory=dict)
    """Sources of the tasks' rows; a task left out uses the hub data set of the reference study."""
    training: Identity[TrainingSpec] = TrainingSpec()
    """Optimization."""
    validation: Identity[ValidationSpec] = ValidationSpec()
    """Held-out rows that are measured during training."""
    selection: Identity[SelectionSpec] = SelectionSpec()
    """Choice of the checkpoint."""
    evaluation: Identity[EvaluationSpec] = EvaluationSpec()
    """Scoring of the chosen checkpoint."""
    hardware: Runtime[
        Annotated[
            Mapping[Text, HardwareSpec],
            BeforeValidator(_hardware_by_model, json_schema_input_type=HardwareSpec | dict[str, HardwareSpec]),
        ]
    ] = Field(default_factory=lambda: {EVERY_OTHER_MODEL: HardwareSpec()})
    """What runs execute on: one mapping for all models, or one per model (`*`: every other model)."""

    def model_spec(self, name: str) -> ModelSpec:
        """The model that the grid calls `name`.

        Raises:
            KeyError: Neither defined here nor built in.
        """
        if name in self.models:
            return ModelSpec(name=name, **self.models[name].model_dump())
        return ModelSpec.model_validate({"name": name, **MODELS[name]})

    def languages_of(self, group: str) -> tuple[str, ...]:
        """Non-English languages of a group, or of the group that it is the equal-volume control of.

        Raises:
            KeyError: There is no such group.
        """
        groups: Mapping[str, tuple[str, ...]] = self.language_groups
        return groups[controlled_group(group) or group]

    def data_source(self, task: str) -> DataSource:
        """Where the task's rows come from."""
        chosen: Mapping[str, DataSource] = self.data  # type: ignore[assignment]
        return chosen[task] if task in chosen else DataSource.model_validate(SOURCES[task])

    def hardware_of(self, model: str) -> HardwareSpec:
        """What runs of a model execute on: its own entry, the `*` entry, or one CPU process."""
        return self.hardware.get(model) or self.hardware.get(EVERY_OTHER_MODEL) or HardwareSpec()


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the sweep file, with a description of every field, for editors."""
    schema = SweepSpec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "clt-ray sweep"}
