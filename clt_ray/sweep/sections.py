"""The settings of a run, section by section, as they stand in a sweep file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from clt_ray.sweep.accelerators import CPU, GPU, chips, fsdp_and_tensor
from clt_ray.sweep.catalog import BUNDLED, HUB_SHOTS, MAX_NEW_TOKENS, TASKS, Task
from clt_ray.sweep.fields import (
    Count,
    CountOrZero,
    FloatOrZero,
    Fraction,
    LanguageCode,
    Name,
    PositiveFloat,
    SpecModel,
    Text,
)
from clt_ray.sweep.roles import AddedIdentity, Content, Identity, Runtime


class ModelSpec(SpecModel):
    """A base model to fine-tune."""

    name: Runtime[Name]
    """What sweeps, tables and figures call the model."""
    source: Content[Text]
    """`bundled`, a hub name, or the path of a local directory with config.json, tokenizer and safetensors."""
    revision: Content[Text | None] = None
    """Branch, tag or commit of a hub model; None is its main branch."""
    parameters: Runtime[Count | None] = None
    """Number of parameters, for cost estimates and figures. Models from a billion on recompute activations; where it is
    not given, a local directory's files decide, and a hub model counts as large."""
    architecture: Runtime[Text | None] = None
    """Family that sharding rules are chosen by: `llama` or `cohere`; None lets the checkpoint say."""

    @property
    def local_directory(self) -> Path | None:
        """The directory of a local model, None for a hub or the bundled one."""
        return Path(self.source) if is_path(self.source) else None


class DataSource(SpecModel):
    """Where a task's rows come from: exactly one of `bundled`, `root` and `dataset`."""

    bundled: Content[Annotated[bool, Field(strict=True)]] = False
    """Use the corpus shipped with the package."""
    root: Content[Text | None] = None
    """Local folder with `<task>/<split>/<language>.jsonl`; identity holds the hash of the files, not the path."""
    dataset: Content[Text | None] = None
    """Name of a hub data set."""
    config: Content[Text | None] = None
    """Configuration of the hub data set, where it has several; None lets the task's loader choose per language."""
    revision: Content[Text | None] = None
    """Branch, tag or commit of the hub data set; None is its main branch."""


class TrainingSpec(SpecModel):
    """Optimization of one run."""

    batch_size: Identity[Count] = 64
    """Rows per optimizer step, over all workers and chips; rows are not packed."""
    learning_rate: Identity[PositiveFloat] = 1e-5
    """Peak learning rate."""
    schedule: Identity[Literal["constant", "linear", "cosine"]] = "constant"
    """Shape of the learning rate after warm-up."""
    warmup_steps: Identity[CountOrZero] = 0
    """Steps over which the learning rate rises from zero."""
    epochs: Identity[Count] = 1
    """Passes over the mixture."""
    max_steps: Identity[Count | None] = None
    """Stop after this many optimizer steps even if epochs remain; None trains all epochs."""
    length_window: Identity[Count] = 4
    """Batches whose rows are sorted by length among themselves, so that less is padding; 1 keeps them random."""
    max_length: Identity[Count] = 2048
    """Longest row, in tokens; longer ones are cut."""
    eval_every: Identity[Count] = 50
    """Optimizer steps between validations, each of which may become the chosen checkpoint."""
    weight_decay: Identity[FloatOrZero] = 0.0
    """Decoupled weight decay of AdamW."""
    adam_beta1: Identity[Fraction] = 0.9
    """Decay of AdamW's mean of gradients."""
    adam_beta2: Identity[Fraction] = 0.999
    """Decay of AdamW's mean of squared gradients."""
    max_grad_norm: Identity[PositiveFloat | None] = 1.0
    """Gradients are scaled down to this norm; None leaves them as they are."""
    precision: Identity[Literal["fp32", "bf16"]] = "bf16"
    """Number format of the computation; the optimizer's master weights are fp32 in both."""
    gradient_agreement_every: Runtime[CountOrZero] = 0
    """Optimizer steps between measurements of how far the gradients of the tasks and languages of a run agree; 0
    measures nothing. Measuring changes no weights, so a run that is finished is not repeated for it."""


class GenerateSpec(SpecModel):
    """Scores of what the model writes for some of the validation rows, decoded greedily."""

    samples_per_language: Identity[Count] = 16
    """Rows per task and language: the first of those whose loss is measured, the same at every validation."""
    every: Identity[Count | None] = None
    """Optimizer steps between, a multiple of training.eval_every; None is at every validation. The end is always
    scored."""
    tasks: Identity[tuple[Task, ...] | None] = None
    """Tasks to score; None is every task of a run."""


class ValidationSpec(SpecModel):
    """Held-out rows whose loss, and if wanted whose generated answers, are measured during training."""

    samples_per_language: Identity[Count] = 100
    """Validation rows per task and language."""
    generate: AddedIdentity[GenerateSpec | None] = None
    """Scores of generated answers; None measures the loss only."""


def _languages_or_keyword(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class SelectionSpec(SpecModel):
    """Which checkpoint of a run is its result."""

    metric: Identity[Text] = "val/loss"
    """Logged validation metric: `val/loss`, `val/<task>/loss`, `val/<task>/<language>/loss`, and with
    `validation.generate` scores such as `val/math/accuracy` and `val/math/<language>/accuracy`."""
    mode: Identity[Literal["min", "max"]] = "min"
    """Whether the smallest value is best (losses) or the largest (scores)."""
    languages: Identity[
        Annotated[
            Literal["trained", "all"] | tuple[LanguageCode, ...],
            BeforeValidator(_languages_or_keyword),
        ]
    ] = "trained"
    """Languages that enter `val/loss`, `val/<task>/loss` and `val/<task>/<score>`: `trained` (English and the run's
    training languages), `all` evaluation languages, or a list. Only evaluation languages are validated."""


def _tokens_per_task(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {**MAX_NEW_TOKENS, **value}
    return dict.fromkeys(TASKS, value)


def _default_shots(task: str, source: DataSource) -> int:
    return HUB_SHOTS.get(task, 0) if source.dataset else 0  # type: ignore[call-overload, no-any-return]


def _shots_per_task(value: Any) -> Any:
    return value if isinstance(value, Mapping) else dict.fromkeys(TASKS, value)


class EvaluationSpec(SpecModel):
    """Scoring of the chosen checkpoint by generation."""

    samples_per_language: Identity[Count] = 250
    """Test items per task and language; a test set with fewer is used whole."""
    max_new_tokens: Identity[
        Annotated[
            Mapping[Task, Count],
            BeforeValidator(_tokens_per_task, json_schema_input_type=Count | dict[Task, Count]),
        ]
    ] = Field(default_factory=lambda: dict(MAX_NEW_TOKENS))
    """Longest output in tokens: one number, or one per task."""
    shots: AddedIdentity[
        Annotated[
            Mapping[Task, CountOrZero],
            BeforeValidator(_shots_per_task, json_schema_input_type=CountOrZero | dict[Task, CountOrZero]),
        ]
    ] = Field(default_factory=dict)
    """Worked examples in a test prompt, in the language of the test: one number, or one per task; a task left out
    has 8 for math from the hub, as the study, and none otherwise."""
    batch_size: Runtime[Count] = 32
    """Prompts decoded at a time, per worker."""

    def tokens_for(self, task: str) -> int:
        """Longest output of a task, in tokens."""
        return self.max_new_tokens[task]  # type: ignore[index]

    def shots_for(self, task: str, source: DataSource) -> int:
        """Worked examples in a test prompt of a task whose rows come from `source`."""
        return self.shots.get(task, _default_shots(task, source))  # type: ignore[call-overload, no-any-return]

    def shots_of(self, data: Mapping[str, DataSource]) -> dict[str, int]:
        """`shots` spelled out for a run with these sources; a task that has none anyway is left out."""
        given = {task: self.shots_for(task, source) for task, source in data.items()}
        return {task: count for task, count in given.items() if count or _default_shots(task, data[task])}


class HardwareSpec(SpecModel):
    """What a run executes on. The numbers of a run do not depend on it, beyond rounding."""

    accelerator: Runtime[Text] = CPU
    """`CPU`, `GPU`, or a TPU generation as Ray names it, such as `TPU-V5LITEPOD`."""
    topology: Runtime[Text | None] = None
    """Chips of the TPU slice, such as `8x8`."""
    mesh: Runtime[Text | None] = None
    """TPU only: chips that split the data times chips that split each layer (fsdp x tensor), such as `64x1`;
    None is all chips on the first axis."""
    workers: Runtime[Count] = 1
    """CPU and GPU: processes that share the batch, one GPU each. A TPU slice has one process per host."""
    cpus_per_worker: Runtime[Count] = 1
    """CPU cores reserved for each process."""

    @property
    def is_tpu(self) -> bool:
        return self.accelerator not in (CPU, GPU)

    @property
    def chips(self) -> int:
        """Accelerator chips of a run: 0 on CPU, one per worker on GPU, those of the slice on TPU."""
        if self.is_tpu:
            return chips(self.topology or "1x1")
        return self.workers if self.accelerator == GPU else 0

    @property
    def mesh_shape(self) -> tuple[int, int]:
        """(fsdp, tensor) sizes of the device mesh; data-parallel workers count as fsdp."""
        if not self.is_tpu:
            return self.workers, 1
        return fsdp_and_tensor(self.mesh) if self.mesh else (self.chips, 1)


def is_path(source: str) -> bool:
    """Whether a model source is a local directory: it starts like a path, which no hub name does."""
    return source != BUNDLED and source.startswith(("/", ".", "~"))
