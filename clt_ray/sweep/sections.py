"""The sections of a sweep file that describe a run, from its model to its hardware."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from clt_ray.sweep.accelerators import CPU, GPU, chips, fsdp_and_tensor
from clt_ray.sweep.catalog import BUNDLED
from clt_ray.sweep.fields import (
    Count,
    CountOrZero,
    FloatOrZero,
    Fraction,
    LanguageCode,
    Name,
    PositiveFloat,
    ScorerName,
    SpecModel,
    TaskName,
    Text,
)
from clt_ray.sweep.roles import AddedIdentity, Content, Identity, Runtime
from clt_ray.tasks import TASKS


class ModelSource(SpecModel):
    """A base model, as a sweep file defines it."""

    source: Content[Text]
    """`bundled`, a hub name, or the path of a local directory with config.json, tokenizer and safetensors files. A
    relative path starts at the sweep file."""
    revision: Content[Text | None] = None
    """Branch, tag or commit of a hub model; None means its main branch."""
    parameters: Runtime[Count | None] = None
    """Number of parameters. It enters cost estimates and figures, and models from a billion parameters on recompute
    activations. Without it the files of a local model are measured, and a hub model counts as large."""
    architecture: Runtime[Text | None] = None
    """Model family (`clt_ray.families`), such as `llama`, which decides the sharding rules; None takes it from the
    checkpoint."""


class ModelSpec(ModelSource):
    """A base model to fine-tune."""

    name: Runtime[Name]
    """Name of the model in sweeps, tables and figures."""

    @property
    def local_directory(self) -> Path | None:
        """Directory of a local model; None for a hub model and the bundled one."""
        return Path(self.source) if is_path(self.source) else None


class DataSource(SpecModel):
    """Source of a task's rows: exactly one of `bundled`, `root` and `dataset`."""

    bundled: Content[Annotated[bool, Field(strict=True)]] = False
    """Whether to use the corpus that the package ships."""
    root: Content[Text | None] = None
    """Local folder with files `<task>/<split>/<language>.jsonl`. The hash of the files enters the identity of a run,
    the path does not."""
    dataset: Content[Text | None] = None
    """Name of a hub data set."""
    config: Content[Text | None] = None
    """Configuration of a hub data set that has several; None lets the task's loader choose one per language."""
    revision: Content[Text | None] = None
    """Branch, tag or commit of the hub data set; None means its main branch."""


class TrainingSpec(SpecModel):
    """Optimization settings of a run."""

    batch_size: Identity[Count] = 64
    """Rows per optimizer step, summed over all workers and chips. Rows are not packed."""
    learning_rate: Identity[PositiveFloat] = 1e-5
    """Peak learning rate."""
    schedule: Identity[Literal["constant", "linear", "cosine"]] = "constant"
    """Schedule of the learning rate after warm-up."""
    warmup_steps: Identity[CountOrZero] = 0
    """Optimizer steps over which the learning rate rises from zero."""
    epochs: Identity[Count] = 1
    """Number of passes over the training mixture."""
    max_steps: Identity[Count | None] = None
    """Largest number of optimizer steps, also if epochs remain; None trains all epochs."""
    length_window: Identity[Count] = 4
    """Number of successive batches whose rows are sorted by length together to reduce padding; 1 does not sort."""
    max_length: Identity[Count] = 2048
    """Maximum length of a row in tokens; longer rows are truncated."""
    eval_every: Identity[Count] = 50
    """Optimizer steps between validations. Each validation gives a checkpoint that may be selected."""
    weight_decay: Identity[FloatOrZero] = 0.0
    """Decoupled weight decay of AdamW."""
    adam_beta1: Identity[Fraction] = 0.9
    """Decay rate of AdamW's running mean of gradients."""
    adam_beta2: Identity[Fraction] = 0.999
    """Decay rate of AdamW's running mean of squared gradients."""
    max_grad_norm: Identity[PositiveFloat | None] = 1.0
    """Maximum norm to which gradients are clipped; None does not clip."""
    precision: Identity[Literal["fp32", "bf16"]] = "bf16"
    """Number format of the forward and backward pass; the optimizer's master weights are fp32 in both cases."""
    gradient_agreement_every: Runtime[CountOrZero] = 0
    """Optimizer steps between measurements of gradient agreement, the cosine similarity of the gradients of tasks and
    languages; 0 disables it. Measuring does not change weights, so a finished run is not repeated for it."""


class GenerateSpec(SpecModel):
    """Scores of answers that are generated greedily for some validation rows during training."""

    samples_per_language: Identity[Count] = 16
    """Rows per task and language: the first ones of the validation rows, the same at every validation."""
    every: Identity[Count | None] = None
    """Optimizer steps between two generations, a multiple of training.eval_every; None generates at every validation.
    The last step is always scored."""
    tasks: Identity[tuple[TaskName, ...] | None] = None
    """Tasks to score; None scores every task of a run."""


class ValidationSpec(SpecModel):
    """Held-out rows on which the loss, and on request scores of generated answers, are measured during training."""

    samples_per_language: Identity[Count] = 100
    """Validation rows per task and language."""
    generate: AddedIdentity[GenerateSpec | None] = None
    """Generation and scoring of answers; None measures the loss only."""


class SelectionSpec(SpecModel):
    """Choice of the checkpoint that is the result of a run."""

    metric: Identity[Text] = "val/loss"
    """Validation metric that decides: `val/loss`, `val/<task>/loss`, `val/<task>/<language>/loss`, and with
    `validation.generate` scores such as `val/math/accuracy` and `val/math/<language>/accuracy`."""
    mode: Identity[Literal["min", "max"]] = "min"
    """Whether the smallest value is best (losses) or the largest (scores)."""
    languages: Identity[Literal["trained", "all"] | tuple[LanguageCode, ...]] = "trained"
    """Languages over which `val/loss`, `val/<task>/loss` and `val/<task>/<score>` are averaged: `trained` (English and
    the run's training languages), `all` evaluation languages, or a list. Only evaluation languages are validated."""


def _default_max_new_tokens() -> dict[str, int]:
    return {name: task.max_new_tokens for name, task in TASKS.items()}


def _tokens_per_task(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {**_default_max_new_tokens(), **value}
    return dict.fromkeys(TASKS, value)


def _default_shots(task: str, source: DataSource) -> int:
    return TASKS[task].hub_shots if source.dataset else 0


def _shots_per_task(value: Any) -> Any:
    return value if isinstance(value, Mapping) else dict.fromkeys(TASKS, value)


class EvaluationSpec(SpecModel):
    """Scoring of the chosen checkpoint by generation."""

    samples_per_language: Identity[Count] = 250
    """Number of test items per task and language; a smaller test set is used whole."""
    max_new_tokens: Identity[
        Annotated[
            Mapping[TaskName, Count],
            BeforeValidator(_tokens_per_task, json_schema_input_type=Count | dict[TaskName, Count]),
        ]
    ] = Field(default_factory=_default_max_new_tokens)
    """Maximum length of an answer in tokens: one number, or one per task."""
    shots: AddedIdentity[
        Annotated[
            Mapping[TaskName, CountOrZero],
            BeforeValidator(_shots_per_task, json_schema_input_type=CountOrZero | dict[TaskName, CountOrZero]),
        ]
    ] = Field(default_factory=dict)
    """Number of worked examples in a test prompt, in the language of the test: one number, or one per task. By default
    there are 8 for math from the hub, as in the reference study, and none otherwise."""
    scorers: AddedIdentity[tuple[ScorerName, ...]] = ()
    """Scorers of other packages that score the chosen checkpoint beside the tasks' own scorers."""
    batch_size: Runtime[Count] = 32
    """Number of prompts that each worker decodes together."""

    def tokens_for(self, task: str) -> int:
        """Returns the maximum length of an answer of a task in tokens."""
        return self.max_new_tokens[task]

    def shots_for(self, task: str, source: DataSource) -> int:
        """Returns the number of worked examples in a test prompt of a task whose rows come from `source`."""
        return self.shots.get(task, _default_shots(task, source))

    def shots_of(self, data: Mapping[str, DataSource]) -> dict[str, int]:
        """Returns `shots` of a run with these sources, without the tasks that have no examples by default either."""
        counts = {task: self.shots_for(task, source) for task, source in data.items()}
        return {task: count for task, count in counts.items() if count or _default_shots(task, data[task])}


class HardwareSpec(SpecModel):
    """Hardware that a run executes on. Results do not depend on it, except for rounding."""

    accelerator: Runtime[Text] = CPU
    """`CPU`, `GPU`, or a TPU generation as Ray names it, such as `TPU-V5LITEPOD`."""
    topology: Runtime[Text | None] = None
    """TPU only: topology of the slice in chips, such as `8x8`."""
    mesh: Runtime[Text | None] = None
    """TPU only: number of chips that split the data times number of chips that split each layer (fsdp x tensor), such
    as `64x1`; None puts all chips on the first axis."""
    workers: Runtime[Count] = 1
    """CPU and GPU only: number of processes that share the batch, each with one GPU. A TPU slice has one process per
    host."""
    cpus_per_worker: Runtime[Count] = 1
    """Number of CPU cores that are reserved for each process."""
    stall_minutes: Runtime[PositiveFloat | None] = None
    """Minutes without progress after which a process of a run counts as hanging, is ended and tried again. None means
    30, and 60 on a TPU, where every new shape of a step is compiled."""

    @property
    def is_tpu(self) -> bool:
        """Whether the accelerator is a TPU."""
        return self.accelerator not in (CPU, GPU)

    @property
    def chips(self) -> int:
        """Number of accelerator chips of a run: 0 on CPU, one per worker on GPU, and those of the slice on TPU."""
        if self.is_tpu:
            return chips(self.topology or "1x1")
        return self.workers if self.accelerator == GPU else 0

    @property
    def mesh_shape(self) -> tuple[int, int]:
        """Sizes of the fsdp and tensor axes of the device mesh; the workers on CPU and GPU are on the fsdp axis."""
        if not self.is_tpu:
            return self.workers, 1
        return fsdp_and_tensor(self.mesh) if self.mesh else (self.chips, 1)


def is_path(source: str) -> bool:
    """Returns whether a model source is a local directory. It then starts with `/`, `.` or `~`, as no hub name does."""
    return source != BUNDLED and source.startswith(("/", ".", "~"))
