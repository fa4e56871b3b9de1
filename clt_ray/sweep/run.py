"""One run: everything needed to execute it, and nothing that another process has to look up.

A RunSpec is canonical by construction: tasks in canonical order, training languages sorted, a run of the English
base alone in no language group. An equal-volume control trains on English only, with n more rows for each language
that English replaces; how many those are is part of what it is, which ones they are is not.

Content it points at (weights, rows, templates) is named by hash in `inputs`, so a worker on another machine computes
the same `run_id` without reading a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from clt_ray.errors import CltRayError
from clt_ray.languages import ENGLISH
from clt_ray.sweep import identity
from clt_ray.sweep.catalog import CONTROL, ENGLISH_ONLY, TASK_SEPARATOR, TASKS
from clt_ray.sweep.fields import SpecModel
from clt_ray.sweep.roles import AddedIdentity, Content, Identity, Runtime, silent_defaults
from clt_ray.sweep.sections import (
    DataSource,
    EvaluationSpec,
    GenerateSpec,
    HardwareSpec,
    ModelSpec,
    SelectionSpec,
    TrainingSpec,
    ValidationSpec,
)

__all__ = [
    "DataSource",
    "EvaluationSpec",
    "GenerateSpec",
    "HardwareSpec",
    "Inputs",
    "ModelSpec",
    "RunSpec",
    "SelectionSpec",
    "TrainingSpec",
    "ValidationSpec",
]


class Inputs(SpecModel):
    """The content a run reads, named so that equal names mean equal bytes."""

    model: Identity[str]
    """`hub:<name>@<revision>`, `bundled:<fingerprint>`, or `sha256:<hash>` of a local directory."""
    data: Identity[Mapping[str, str]]
    """The same for the rows of each task of the run."""
    templates: Identity[str]
    """sha256 of the prompt templates."""


@dataclass(frozen=True)
class RunSpec:
    """One full fine-tuning with one identity."""

    model: Content[ModelSpec]
    """Base model."""
    tasks: Identity[tuple[str, ...]]
    """Tasks trained together, in canonical order."""
    language_group: Runtime[str]
    """Name of the training languages; `none` when there are none."""
    train_languages: Identity[tuple[str, ...]]
    """Non-English training languages, sorted; empty when there are none; `en` alone for an equal-volume control."""
    samples_per_language: Identity[int]
    """Rows per non-English language and task; in a control, per language that is replaced."""
    english_samples: Identity[int]
    """English rows per task; a control adds to them."""
    seed: Identity[int]
    """Decides the sample of rows, their order, and every other draw."""
    eval_languages: Identity[tuple[str, ...]]
    """Languages the run is validated and evaluated in."""
    data: Content[Mapping[str, DataSource]]
    """Where the rows of each task of the run come from."""
    training: Identity[TrainingSpec]
    """Optimization."""
    validation: Identity[ValidationSpec]
    """What is measured during training."""
    selection: Identity[SelectionSpec]
    """Choice of the checkpoint, its languages spelled out."""
    evaluation: Identity[EvaluationSpec]
    """Scoring of the chosen checkpoint."""
    hardware: Runtime[HardwareSpec]
    """What the run executes on."""
    inputs: Identity[Inputs]
    """The content behind `model`, `data` and the prompt templates."""
    replaced_languages: AddedIdentity[int] = 0
    """Equal-volume control: number of languages in whose place English rows stand; 0 is no control."""

    def __post_init__(self) -> None:
        canonical: dict[str, object] = {"tasks": tuple(sorted(self.tasks, key=TASKS.index))}
        if self.samples_per_language == 0 or not self.train_languages:
            canonical |= {"language_group": ENGLISH_ONLY, "train_languages": ()}
            canonical |= {"samples_per_language": 0, "replaced_languages": 0}
        elif self.replaced_languages:
            # Two groups of as many languages have one control.
            canonical |= {"language_group": f"{CONTROL}{self.replaced_languages}", "train_languages": (ENGLISH,)}
        else:
            canonical["train_languages"] = tuple(sorted(self.train_languages))
        # A frozen dataclass is filled through its instance dictionary; nothing is changed after this point.
        self.__dict__.update(canonical)
        languages = self.selection_languages
        if self.selection.languages != languages:
            self.__dict__["selection"] = self.selection.model_copy(update={"languages": languages})
        if len(self.evaluation.max_new_tokens) != len(self.tasks):
            tokens = {task: self.evaluation.tokens_for(task) for task in self.tasks}
            self.__dict__["evaluation"] = self.evaluation.model_copy(update={"max_new_tokens": tokens})
        shots = self.evaluation.shots_of(self.data)
        if shots != self.evaluation.shots:
            self.__dict__["evaluation"] = self.evaluation.model_copy(update={"shots": shots})
        if self.validation.generate is not None:
            self.__dict__["validation"] = self._canonical_validation(self.validation.generate)

    def _canonical_validation(self, given: GenerateSpec) -> ValidationSpec:
        """Validation with what `generate` leaves open spelled out for this run."""
        tasks = tuple(task for task in self.tasks if given.tasks is None or task in given.tasks)
        every = given.every or self.training.eval_every
        if (given.tasks, given.every) == (tasks, every):
            return self.validation
        generate = given.model_copy(update={"tasks": tasks, "every": every}) if tasks else None
        return self.validation.model_copy(update={"generate": generate})

    @cached_property
    def run_id(self) -> str:
        """Hash of everything that can change the run's numbers: 16 hexadecimal digits."""
        return identity.run_id(self)

    @cached_property
    def name(self) -> str:
        """One line for people: "tiny math all es+fr+ja+zh n 400 seed 0"."""
        return f"{self.model.name} {self.task} {self._languages} n {self.samples_per_language} seed {self.seed}"

    @property
    def task(self) -> str:
        """The tasks joined by `+`: one cell of the task axis."""
        return TASK_SEPARATOR.join(self.tasks)

    @property
    def setting(self) -> str:
        """`single` or `multi`: how many tasks are trained together."""
        return "single" if len(self.tasks) == 1 else "multi"

    @property
    def series(self) -> str:
        """What the runs of one curve share: all of the name but the samples per language."""
        return f"{self.model.name} {self.task} {self._languages} seed {self.seed}"

    @property
    def _languages(self) -> str:
        if self.replaced_languages:
            return f"English control for {self.replaced_languages} language{'s' * (self.replaced_languages > 1)}"
        return " ".join((self.language_group, "+".join(self.train_languages))).rstrip()

    def rows_in(self, language: str) -> int:
        """Training rows of each task in a language."""
        if language == ENGLISH:
            return self.english_samples + self.samples_per_language * self.replaced_languages
        return self.samples_per_language if language in self.train_languages else 0

    @cached_property
    def train_rows(self) -> int:
        """Rows of one epoch, over all tasks and languages."""
        per_task = self.english_samples + self.samples_per_language * (
            self.replaced_languages or len(self.train_languages)
        )
        return per_task * len(self.tasks)

    @cached_property
    def steps(self) -> int:
        """Optimizer steps; the last step of an epoch may be short of a full batch."""
        planned = math.ceil(self.train_rows / self.training.batch_size) * self.training.epochs
        return min(planned, self.training.max_steps or planned)

    @property
    def selection_languages(self) -> tuple[str, ...]:
        """Languages whose validation enters `val/loss` and the other means, sorted; only evaluation languages are
        validated."""
        chosen = self.selection.languages
        if chosen == "trained":
            chosen = tuple(code for code in (ENGLISH, *self.train_languages) if code in self.eval_languages)
        elif chosen == "all":
            chosen = self.eval_languages
        return tuple(sorted(set(chosen)))

    def __hash__(self) -> int:
        return hash(self.run_id)

    def to_dict(self) -> dict[str, Any]:
        """The run as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """The run that `to_dict` wrote; derived keys (`name`, `run_id`) are ignored.

        Raises:
            CltRayError: A field is missing or unknown: another version of the program wrote the values.
        """
        known = {field.name for field in fields(cls)}
        # A run written before such a field existed has its default.
        kind: Any = cls
        optional = set(silent_defaults(kind)) - set(values)
        different = sorted((set(values) ^ (known - optional)) - {"name", "run_id"})
        if different:
            raise CltRayError(f"a run written by another version of clt-ray: it differs in {', '.join(different)}")
        return cls(**{name: _typed(name, values[name]) for name in known - optional})


_MODELS: dict[str, type[SpecModel]] = {
    "model": ModelSpec,
    "training": TrainingSpec,
    "validation": ValidationSpec,
    "selection": SelectionSpec,
    "evaluation": EvaluationSpec,
    "hardware": HardwareSpec,
    "inputs": Inputs,
}


def _plain(value: Any) -> Any:
    if isinstance(value, SpecModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _typed(name: str, value: Any) -> Any:
    if name in _MODELS:
        return _MODELS[name].model_validate(value)
    if name == "data":
        return {task: DataSource.model_validate(source) for task, source in value.items()}
    return tuple(value) if isinstance(value, list) else value
