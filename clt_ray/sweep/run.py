"""The description of one run, complete for its execution: no process has to look anything up.

Equal runs have equal descriptions, because a RunSpec puts itself into a canonical form: tasks in canonical order,
training languages sorted, and the English-only run in no language group. An equal-volume control trains on English
only, with n more rows for each language that English replaces. The number of these languages is part of the run, their
names are not.

`inputs` names the content of the run (weights, rows, templates) by hash, so that a worker on another machine computes
the same `run_id` without reading a file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Any, Self, get_type_hints

from pydantic import Field

from clt_ray.errors import CltRayError
from clt_ray.languages import ENGLISH
from clt_ray.scorers import scorers_for
from clt_ray.sweep import identity, sections
from clt_ray.sweep.catalog import CONTROL, ENGLISH_ONLY, TASK_SEPARATOR
from clt_ray.sweep.fields import SpecModel
from clt_ray.sweep.roles import AddedIdentity, Content, Identity, Runtime, silent_defaults
from clt_ray.tasks import in_canonical_order


class Inputs(SpecModel):
    """Names of the content that a run reads; equal names mean equal content."""

    model: Identity[str]
    """`hub:<name>@<revision>`, `bundled:<fingerprint>`, or `sha256:<hash>` of a local directory."""
    data: Identity[Mapping[str, str]]
    """Name of the rows of each task of the run, in the same notation."""
    templates: Identity[str]
    """SHA-256 of the prompt templates that the package ships."""
    plugins: AddedIdentity[Mapping[str, str]] = Field(default_factory=dict)
    """SHA-256 of what other packages declare for the run (tasks, languages, scorers, families), by `task spelling`."""


@dataclass(frozen=True)
class RunSpec:
    """One full fine-tuning with one identity."""

    model: Content[sections.ModelSpec]
    """Base model."""
    tasks: Identity[tuple[str, ...]]
    """Tasks that are trained together, in canonical order."""
    language_group: Runtime[str]
    """Name of the group of training languages; `none` for the English-only run."""
    train_languages: Identity[tuple[str, ...]]
    """Non-English training languages, sorted; empty for the English-only run, `en` for an equal-volume control."""
    samples_per_language: Identity[int]
    """Training rows per non-English language and task; in a control, English rows per replaced language and task."""
    english_samples: Identity[int]
    """English training rows per task, without the rows that a control adds."""
    seed: Identity[int]
    """Random seed of the sample of rows, their order, and all other random choices."""
    eval_languages: Identity[tuple[str, ...]]
    """Languages in which the run is validated and evaluated."""
    data: Content[Mapping[str, sections.DataSource]]
    """Source of the rows of each task of the run."""
    training: Identity[sections.TrainingSpec]
    """Optimization."""
    validation: Identity[sections.ValidationSpec]
    """Measurements during training."""
    selection: Identity[sections.SelectionSpec]
    """Choice of the checkpoint, with its languages as a list."""
    evaluation: Identity[sections.EvaluationSpec]
    """Scoring of the chosen checkpoint."""
    hardware: Runtime[sections.HardwareSpec]
    """Hardware that the run executes on."""
    inputs: Identity[Inputs]
    """The content behind `model`, `data` and the prompt templates."""
    other_hardware: Runtime[tuple[sections.HardwareSpec, ...]] = ()
    """Hardware that the run may execute on instead, in order of preference."""
    replaced_languages: AddedIdentity[int] = 0
    """Number of languages whose rows English rows replace in an equal-volume control; 0 in all other runs."""

    def __post_init__(self) -> None:
        canonical: dict[str, object] = {"tasks": in_canonical_order(self.tasks)}
        if self.samples_per_language == 0 or not self.train_languages:
            canonical |= {"language_group": ENGLISH_ONLY, "train_languages": ()}
            canonical |= {"samples_per_language": 0, "replaced_languages": 0}
        elif self.replaced_languages:
            # Groups with the same number of languages have the same control.
            canonical |= {"language_group": f"{CONTROL}{self.replaced_languages}", "train_languages": (ENGLISH,)}
        else:
            canonical["train_languages"] = tuple(sorted(self.train_languages))
        # The instance dictionary is the way around the frozen attributes; nothing changes after initialization.
        self.__dict__.update(canonical)
        evaluation: dict[str, Any] = {
            "max_new_tokens": {task: self.evaluation.tokens_for(task) for task in self.tasks},
            "shots": self.evaluation.shots_of(self.data),
            "scorers": scorers_for(self.tasks, self.evaluation.scorers),
        }
        selection: dict[str, Any] = {"languages": self.selection_languages}
        for section, values in (("selection", selection), ("evaluation", evaluation)):
            model = getattr(self, section)
            # Sections that are canonical already stay the same object, whose identity is cached.
            if any(getattr(model, name) != value for name, value in values.items()):
                self.__dict__[section] = model.model_copy(update=values)
        if self.validation.generate is not None:
            self.__dict__["validation"] = self._canonical_validation(self.validation.generate)

    def _canonical_validation(self, generate: sections.GenerateSpec) -> sections.ValidationSpec:
        """Returns the validation with the defaults of `generate` replaced by their values in this run."""
        tasks = tuple(task for task in self.tasks if generate.tasks is None or task in generate.tasks)
        every = generate.every or self.training.eval_every
        if (generate.tasks, generate.every) == (tasks, every):
            return self.validation
        canonical = generate.model_copy(update={"tasks": tasks, "every": every}) if tasks else None
        return self.validation.model_copy(update={"generate": canonical})

    @cached_property
    def run_id(self) -> str:
        """Hash of everything that can change the results of the run: 16 hexadecimal digits."""
        return identity.run_id(self)

    @cached_property
    def name(self) -> str:
        """Name of the run for people: "tiny math all es+fr+ja+zh n 400 seed 0"."""
        return f"{self.model.name} {self.task} {self._languages} n {self.samples_per_language} seed {self.seed}"

    @property
    def task(self) -> str:
        """The tasks joined by `+`, as on the task axis."""
        return TASK_SEPARATOR.join(self.tasks)

    @property
    def setting(self) -> str:
        """`single` for a run of one task, `multi` for a run of several."""
        return "single" if len(self.tasks) == 1 else "multi"

    @property
    def series(self) -> str:
        """Name of the run's series: the name of the run without the samples per language."""
        return f"{self.model.name} {self.task} {self._languages} seed {self.seed}"

    @property
    def _languages(self) -> str:
        if self.replaced_languages:
            return f"English control for {self.replaced_languages} language{'s' * (self.replaced_languages > 1)}"
        return f"{self.language_group} {'+'.join(self.train_languages)}".rstrip()

    @cached_property
    def placements(self) -> tuple[Self, ...]:
        """The run on each hardware that it may execute on, in order of preference; this run is the first."""
        kinds = (self.hardware, *self.other_hardware)
        others = [(kind, tuple(other for other in kinds if other != kind)) for kind in self.other_hardware]
        return (self, *(replace(self, hardware=kind, other_hardware=rest) for kind, rest in others))

    def rows_in(self, language: str) -> int:
        """Returns the number of training rows per task in a language."""
        if language == ENGLISH:
            return self.english_samples + self.samples_per_language * self.replaced_languages
        return self.samples_per_language if language in self.train_languages else 0

    @cached_property
    def train_rows(self) -> int:
        """Number of training rows of one epoch, over all tasks and languages."""
        languages = self.replaced_languages or len(self.train_languages)
        return (self.english_samples + self.samples_per_language * languages) * len(self.tasks)

    @cached_property
    def steps(self) -> int:
        """Number of optimizer steps. The last batch of an epoch may be smaller than the others."""
        planned = math.ceil(self.train_rows / self.training.batch_size) * self.training.epochs
        return min(planned, self.training.max_steps or planned)

    @property
    def selection_languages(self) -> tuple[str, ...]:
        """Languages over which `val/loss` and the other means are taken, sorted; all are evaluation languages."""
        chosen = self.selection.languages
        if chosen == "trained":
            chosen = tuple(code for code in (ENGLISH, *self.train_languages) if code in self.eval_languages)
        elif chosen == "all":
            chosen = self.eval_languages
        return tuple(sorted(set(chosen)))

    def __hash__(self) -> int:
        return hash(self.run_id)

    def to_dict(self) -> dict[str, Any]:
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {name: value for name, value in values.items() if value or name not in _AFTER_0_1}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Returns the run that `to_dict` wrote. The derived keys `name` and `run_id` are ignored.

        Raises:
            CltRayError: A field is missing or unknown, so another version of the program wrote the values.
        """
        # A package that is missing on this machine is reported before the values are found to be wrong.
        in_canonical_order(values.get("tasks", ()))
        scorers_for((), values.get("evaluation", {}).get("scorers", ()))
        known = {field.name for field in fields(cls)}
        # Values that were written before such a field existed do not have it.
        kind: Any = cls
        optional = ({"other_hardware"} | silent_defaults(kind).keys()) - set(values)
        different = sorted((set(values) ^ (known - optional)) - {"name", "run_id"})
        if different:
            names = ", ".join(different)
            raise CltRayError(f"the run was written by another version of clt-ray: its fields differ in {names}")
        return cls(**{name: _typed(name, values[name]) for name in known - optional})


_AFTER_0_1 = {"scorers", "plugins", "stall_minutes", "other_hardware"}
"""Keys that are not written while they are empty, so that release 0.1 reads a run that does not need them."""


@cache
def _field_types() -> dict[str, Any]:
    return get_type_hints(RunSpec)


def _plain(value: Any) -> Any:
    if isinstance(value, SpecModel):
        return {key: item for key, item in value.model_dump(mode="json").items() if item or key not in _AFTER_0_1}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _typed(name: str, value: Any) -> Any:
    kind = _field_types()[name]
    if isinstance(kind, type) and issubclass(kind, SpecModel):
        return kind.model_validate(value)
    if name == "data":
        return {task: sections.DataSource.model_validate(source) for task, source in value.items()}
    if name == "other_hardware":
        return tuple(map(sections.HardwareSpec.model_validate, value))
    return tuple(value) if isinstance(value, list) else value
