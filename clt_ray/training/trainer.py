"""TRL's SFTTrainer with the schedule, the losses and the records of a run."""

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from clt_ray.data.formatting import Encoded
from clt_ray.errors import RunError
from clt_ray.tasks import TaskLanguage
from clt_ray.training.backends.base import Backend
from clt_ray.training.batches import RunBatches, collate, validation_batches, with_blank
from clt_ray.training.checkpoints import commit_parts, prune, resume_tree, weights_tree
from clt_ray.training.gradient_agreement import PROBE_ROWS, PairGradient, Probe, pair_gradients
from clt_ray.training.job import TrainingJob
from clt_ray.training.journal import Journal, Progress
from clt_ray.training.schedule import Schedule
from clt_ray.training.throughput import Throughput
from clt_ray.training.validation import completion_nll, named, summarise, summed_losses

TRAINER_STATE = "trainer_state.json"
LOSS_WINDOW = "loss_window_{}.json"
"""File of a process's loss since the last log, in a resume state between two logs."""
VALIDATION_BATCH_ROWS = 32


def sft_config(job: TrainingJob, backend: Backend, staging: Path) -> SFTConfig:
    """Returns TRL's configuration of a job; what the hardware decides comes from the backend."""
    training, schedule = job.run.training, job.schedule
    scheduler: str = training.schedule
    if scheduler == "constant" and training.warmup_steps:
        scheduler = "constant_with_warmup"
    return SFTConfig(
        output_dir=str(staging),
        max_steps=schedule.total_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type=scheduler,
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        adam_beta1=training.adam_beta1,
        adam_beta2=training.adam_beta2,
        # An infinite threshold leaves gradients as they are and still computes the norm that is checked.
        max_grad_norm=float("inf") if training.max_grad_norm is None else training.max_grad_norm,
        seed=job.run.seed,
        logging_strategy="steps",
        logging_steps=schedule.log_every,
        logging_nan_inf_filter=False,
        # `RunSchedule` requests validations and checkpoints, since a run also validates after its last step.
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        packing=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        **backend.trainer_arguments(job.run, schedule, staging),
    )


class RunSchedule(TrainerCallback):
    """Requests a validation and a checkpoint at the steps of the schedule, and starts the clock of the steps."""

    def __init__(self, schedule: Schedule, throughput: Throughput) -> None:
        self.schedule, self.throughput = schedule, throughput

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.throughput.restart()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_evaluate = control.should_save = self.schedule.validates_at(state.global_step)


class RunTrainer(SFTTrainer):
    """Fine-tunes all parameters of one run.

    Differs from its parent in four places: batches come from `RunBatches`; the loss is `completion_nll`;
    `evaluate` records validation metrics per task and language; checkpoints are committed to the journal. A backend
    whose steps or checkpoints are different overrides `validation_losses`, `commit_checkpoint`, `pair_gradients` and
    `probe_rows`.
    """

    def __init__(
        self,
        job: TrainingJob,
        model: Any,
        backend: Backend,
        journal: Journal,
        progress: Progress,
        staging: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares the training of a job; `model` is in its initial state, as the backend loaded it."""
        self.job, self.run, self.schedule = job, job.run, job.schedule
        self.journal, self.progress, self.staging = journal, progress, staging
        self.backend, self.rank, self.world_size = backend, backend.rank, backend.world_size
        self.throughput = Throughput(clock)
        rows = backend.rounded_rows(VALIDATION_BATCH_ROWS)
        self.validation = validation_batches(job.validation, rows, job.pad_id)
        self._batches = self.global_batches(self.rank, self.world_size)
        super().__init__(
            model=model,
            args=sft_config(job, backend, staging),
            train_dataset=dataset(with_blank(job.rows, job.pad_id)),
            data_collator=lambda rows: collate([Encoded(row["input_ids"], row["labels"]) for row in rows], job.pad_id),
            processing_class=job.tokenizer,
            callbacks=[RunSchedule(job.schedule, self.throughput)],
        )
        self.remove_callback(PrinterCallback)

    def may_stop_at(self, step: int) -> bool:
        """Returns whether the processes may agree after this step to stop; every step reads the loss anyway."""
        return True

    def global_batches(self, rank: int = 0, world_size: int = 1) -> RunBatches:
        """Returns the row indices of every step, for one of several processes that share each batch."""
        return RunBatches(
            [len(row.input_ids) for row in self.job.rows],
            self.run.training.batch_size,
            self.run.seed,
            self.schedule.total_steps,
            window=self.run.training.length_window,
            rank=rank,
            world_size=world_size,
        )

    def get_train_dataloader(self) -> DataLoader:
        rows: Any = self.train_dataset
        return DataLoader(rows, batch_sampler=self._batches, collate_fn=self.data_collator)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        nll, _ = completion_nll(model, inputs)
        self.throughput.add_step(inputs["attention_mask"])
        tokens = len(nll) if num_items_in_batch is None else num_items_in_batch
        # Gradients are averaged over processes while `num_items_in_batch` counts the tokens of all of them.
        loss: Tensor = nll.sum() / tokens * self.world_size
        return loss

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss: Tensor = super().training_step(*args, **kwargs)
        self.require_finite("training loss", float(loss))
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self.require_finite("gradient norm", float(norm))
        return norm

    def require_finite(self, quantity: str, value: float, step: int | None = None) -> None:
        """Stops training before the update: a checkpoint made after it would look complete and be worthless.

        Raises:
            RunError: The value is not finite.
        """
        if not math.isfinite(value):
            raise RunError(
                f"{quantity} is {value} at step {step or self.state.global_step + 1}; the update was not made. "
                "Lower training.learning_rate or set training.max_grad_norm."
            )

    @property
    def probe_rows(self) -> tuple[int, int]:
        """Validation rows whose gradient is measured per task and language, and how many of them at a time."""
        # A model that trains with recomputed activations has no room for the activations of several rows.
        return PROBE_ROWS, 1 if self.args.gradient_checkpointing else PROBE_ROWS

    def measure_gradients(self, probes: Sequence[Probe]) -> dict[TaskLanguage, PairGradient]:
        """Returns the gradients of probes at the current weights, outside of the time of the steps."""
        with self.throughput.excluded():
            return self.pair_gradients(probes)

    def pair_gradients(self, probes: Sequence[Probe]) -> dict[TaskLanguage, PairGradient]:
        """Returns the gradients of probes; changes neither the weights nor the state of training."""
        parts = self.backend.gather(pair_gradients(self.model, probes[self.rank :: self.world_size]))
        return {pair: gradient for part in parts for pair, gradient in part.items()}

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Validates the current weights and records the metrics in the journal."""
        with self.throughput.excluded():
            metrics = self._validation_metrics()
            if self.rank == 0:
                self.journal.append_metrics("validation", self.state.global_step, metrics)
        # Also tells the trainer's control flow that this validation is done.
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_metrics(self) -> dict[str, float]:
        languages, tasks = self.run.selection_languages, self.run.tasks
        metrics = summarise(self.validation_losses(), languages, tasks)
        if self.job.score_answers is not None and self.schedule.generates_at(self.state.global_step):
            scores = self.job.score_answers(self.model)
            self.model_wrapped.train()
            metrics |= named(scores, languages, tasks)
        return metrics

    def validation_losses(self) -> Mapping[TaskLanguage, tuple[float, int]]:
        """Returns the summed loss and the number of labelled tokens of each task-language pair."""
        model: Any = self.model_wrapped
        model.eval()
        device = self.args.device
        batches = ((pairs, {name: rows.to(device) for name, rows in batch.items()}) for pairs, batch in self.validation)
        totals = summed_losses(model, batches)
        model.train()
        return totals

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Records training metrics in the journal; the summary that the parent logs at the end is not of a step."""
        if "loss" not in logs or self.rank != 0:
            return
        step = self.state.global_step
        metrics = {f"train/{name}": logs[name] for name in ("loss", "grad_norm", "learning_rate")}
        metrics |= {name: value for name, value in logs.items() if name.startswith("perf/")}
        self.journal.append_metrics("train", step, metrics | self.throughput.metrics())
        self.progress(stage="train", step=step, total_steps=self.schedule.total_steps, loss=logs["loss"])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with self.throughput.excluded():
            self.commit_checkpoint(model)

    def commit_checkpoint(self, model: Any) -> None:
        """Commits the weights and the resume state of the current step to the journal."""
        step = self.state.global_step
        weights, state = self.staging / "weights", self.staging / "resume"
        for folder in (weights, state):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        unwrapped = self.accelerator.unwrap_model(model)
        parameters = self.accelerator.get_state_dict(model)
        self._save_optimizer_and_scheduler(str(state))
        self._save_rng_state(str(state))
        if self.rank == 0:
            unwrapped.save_pretrained(weights, state_dict=parameters)
            self.job.tokenizer.save_pretrained(weights)
            self.state.save_to_json(str(state / TRAINER_STATE))
            self.journal.commit_tree(weights, weights_tree(step))
        commit_parts(self.journal, state, resume_tree(step), self.rank)
        if self.rank == 0:
            prune(self.journal, self.run)
        self.backend.barrier()

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        steps = self.state.global_step - self._globalstep_last_logged
        if steps:
            window = json.dumps({"loss": float(self._tr_loss), "steps": steps})
            Path(output_dir, LOSS_WINDOW.format(self.rank)).write_text(window)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)
        file = Path(checkpoint or "", LOSS_WINDOW.format(self.rank))
        if checkpoint and file.exists():
            window = json.loads(file.read_text())
            self._tr_loss += window["loss"]
            self._globalstep_last_logged -= window["steps"]

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Does nothing: the model was loaded from the checkpoint's weights already."""


def dataset(rows: Sequence[Encoded]) -> Dataset:
    """Returns the columns that TRL expects of rows that need no more preparation."""
    return Dataset.from_dict({"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]})
