"""The sweep file as a typed object.

`load.load_sweep` reads and checks a file; `grid.expand` turns the object into runs. Conditions that the type of one
field cannot express (a batch size that fits the mesh, a language that exists) are in `checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from clt_ray.languages import STUDY_LANGUAGES
from clt_ray.sweep.catalog import LANGUAGE_GROUPS, MODELS, controlled_group
from clt_ray.sweep.fields import CountOrZero, LanguageCode, Name, SpecModel, TaskCell, TaskName, Text, one_or_many
from clt_ray.sweep.roles import Content, Identity, Runtime
from clt_ray.sweep.sections import (
    DataSource,
    EvaluationSpec,
    HardwareSpec,
    ModelSource,
    ModelSpec,
    SelectionSpec,
    TrainingSpec,
    ValidationSpec,
)
from clt_ray.tasks import TASKS

EVERY_OTHER_MODEL = "*"
"""Key of `hardware` for all models that the section does not name."""


def _axis(value_type: Any) -> BeforeValidator:
    """Returns a validator for an axis: one value stands for a list of one."""
    return BeforeValidator(one_or_many, json_schema_input_type=value_type | list[value_type])


HardwareKinds = Annotated[tuple[HardwareSpec, ...], Field(min_length=1), _axis(HardwareSpec)]
NameAxis = Annotated[tuple[Text, ...], _axis(Text)]
TaskAxis = Annotated[tuple[TaskCell, ...], _axis(TaskCell)]
CountAxis = Annotated[tuple[CountOrZero, ...], _axis(CountOrZero)]


class GridSpec(SpecModel):
    """The axes whose product is the sweep. Each is a list or one value."""

    model: Identity[NameAxis]
    """Names of base models."""
    task: Identity[TaskAxis]
    """Tasks. Several tasks joined by `+` are trained together, in one multi-task cell."""
    language_group: Identity[NameAxis] = ("all",)
    """Names of language groups. `english:NAME` is the equal-volume control of a group, which trains on as many English
    rows in place of the non-English ones."""
    samples_per_language: Identity[CountAxis]
    """Training rows per non-English language and task, in ascending order; 0 is the English-only baseline."""


class CellPattern(SpecModel):
    """Cells to add or to remove. Each axis is one value or a list; a missing axis has all of the grid's values."""

    model: Identity[NameAxis | None] = None
    """Names of base models."""
    task: Identity[TaskAxis | None] = None
    """Tasks, or several joined by `+`."""
    language_group: Identity[NameAxis | None] = None
    """Names of language groups or of their controls."""
    samples_per_language: Identity[CountAxis | None] = None
    """Training rows per non-English language and task."""
    seed: Identity[CountAxis | None] = None
    """Random seeds."""


class Axes(SpecModel):
    """The part of a sweep file that defines its cells: the product, plus `include`, minus `exclude`."""

    seeds: Identity[CountAxis] = (0,)
    """Random seeds. Each repeats the whole grid with another sample and another order of the rows."""
    grid: Identity[GridSpec]
    """The axes. Their product with the seeds is the sweep."""
    include: Identity[tuple[CellPattern, ...]] = ()
    """Cells to add to the product."""
    exclude: Identity[tuple[CellPattern, ...]] = ()
    """Cells to leave out of the product and of `include`."""

    def used(self, axis: str) -> tuple[Any, ...]:
        """Returns the distinct values of an axis in `grid` and `include`, also of cells that `exclude` removes."""
        lists = (getattr(section, axis) for section in (self.grid, *self.include))
        return tuple(dict.fromkeys(value for values in lists for value in values or ()))


def _hardware_by_model(value: Any) -> Any:
    """Makes a section without sections inside it the hardware of all models."""
    if not isinstance(value, Mapping | list):
        return value
    sections = value.values() if isinstance(value, Mapping) else ()
    is_by_model = EVERY_OTHER_MODEL in value or any(isinstance(item, Mapping | list | SpecModel) for item in sections)
    return value if isinstance(value, Mapping) and is_by_model else {EVERY_OTHER_MODEL: value}


class SweepSpec(Axes):
    """A sweep: a grid of runs that answers one question about cross-lingual transfer."""

    name: Runtime[Name]
    """Name of the sweep, of its MLflow experiment and of its report."""
    models: Content[Mapping[Name, ModelSource]] = Field(default_factory=dict)
    """Definitions of models by the name that the grid uses. They add to the built-in models, or replace them."""
    language_groups: Identity[Mapping[Name, tuple[LanguageCode, ...]]] = Field(
        default_factory=lambda: dict(LANGUAGE_GROUPS)
    )
    """Named lists of non-English training languages."""
    english_samples: Identity[CountOrZero] = 10_000
    """English training rows per task."""
    eval_languages: Identity[tuple[LanguageCode, ...]] = STUDY_LANGUAGES
    """Languages in which every run is validated and evaluated."""
    data: Content[Mapping[TaskName, DataSource]] = Field(default_factory=dict)
    """Sources of the tasks' rows; a task left out uses the hub data set of the reference study."""
    training: Identity[TrainingSpec] = TrainingSpec()
    """Optimization."""
    validation: Identity[ValidationSpec] = ValidationSpec()
    """Held-out rows that are measured during training."""
    selection: Identity[SelectionSpec] = SelectionSpec()
    """Choice of the checkpoint."""
    evaluation: Identity[EvaluationSpec] = Field(default_factory=EvaluationSpec)
    """Scoring of the chosen checkpoint."""
    hardware: Runtime[
        Annotated[
            Mapping[Text, HardwareKinds],
            BeforeValidator(
                _hardware_by_model,
                json_schema_input_type=HardwareSpec | list[HardwareSpec] | dict[str, HardwareSpec | list[HardwareSpec]],
            ),
        ]
    ] = Field(default_factory=lambda: {EVERY_OTHER_MODEL: (HardwareSpec(),)})
    """Hardware that runs execute on: one mapping for all models, or one per model, with `*` for every other model. A
    list names acceptable kinds in order of preference; each run takes the first that is free."""

    keep_weights: Runtime[Literal["every_run", "best_of_series", "none"]] = "every_run"
    """Weights of finished runs that `clt-ray clean` keeps: the chosen checkpoint of every run, that of the best run of
    each series only, or none. Generations, scores and records always stay."""

    def model_spec(self, name: str) -> ModelSpec:
        """Returns the model that the grid calls `name`: the sweep's, else the built-in one; raises `KeyError`."""
        if name in self.models:
            return ModelSpec(name=name, **self.models[name].model_dump())
        return ModelSpec.model_validate({"name": name, **MODELS[name]})

    def languages_of(self, group: str) -> tuple[str, ...]:
        """Returns the non-English languages of a group or of a control's group; raises `KeyError`."""
        groups: Mapping[str, tuple[str, ...]] = self.language_groups
        return groups[controlled_group(group) or group]

    def data_source(self, task: str) -> DataSource:
        """Returns the source of a task's rows: the sweep's, else the default of the task."""
        declaration = TASKS[task]
        return self.data.get(task) or DataSource(dataset=declaration.dataset, revision=declaration.revision)

    def hardware_of(self, model: str) -> tuple[HardwareSpec, ...]:
        """Returns the acceptable hardware of a model: its entry, else the entry `*`, else one CPU process."""
        return self.hardware.get(model) or self.hardware.get(EVERY_OTHER_MODEL) or (HardwareSpec(),)


def json_schema() -> dict[str, Any]:
    """Returns the JSON schema (draft 2020-12) of the sweep file for editors, with a description of every field."""
    schema = SweepSpec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "clt-ray sweep"}
