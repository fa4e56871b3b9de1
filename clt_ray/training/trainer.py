"""TRL's SFTTrainer, told when to validate and save, and to keep its records in the run's journal."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl import SFTTrainer

from clt_ray.data.formatting import Encoded
from clt_ray.errors import RunError
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage
from clt_ray.training.batches import RunBatches, collate
from clt_ray.training.checkpoints import commit_parts, prune, resume_tree, weights_tree
from clt_ray.training.gradient_agreement import PROBE_ROWS, CellGradient, Probe, cell_gradients
from clt_ray.training.journal import Journal, Progress
from clt_ray.training.loss import completion_nll
from clt_ray.training.schedule import Schedule
from clt_ray.training.selection import best_so_far
from clt_ray.training.validation import ScoreAnswers, named, summarise, summed_losses

TRAINER_STATE = "trainer_state.json"


class ValidateAndSave(TrainerCallback):
    """Asks for a validation and a checkpoint at the steps of the schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_evaluate = control.should_save = self.schedule.validates_at(state.global_step)


class RunTrainer(SFTTrainer):
    """Fine-tunes all parameters of one run.

    Differs from its parent in four places: batches come from `RunBatches`; the loss is `completion_nll`;
    `evaluate` records validation metrics per task and language; checkpoints are committed to the journal.
    """

    def __init__(
        self,
        *,
        run: RunSpec,
        schedule: Schedule,
        journal: Journal,
        progress: Progress,
        rows: Sequence[Encoded],
        validation: Sequence[tuple[list[TaskLanguage], dict[str, Tensor]]],
        selection_languages: Sequence[str],
        score_answers: ScoreAnswers | None = None,
        staging: Path,
        rank: int,
        world_size: int,
        tokenizer: Any,
        **trainer: Any,
    ) -> None:
        self.run, self.schedule, self.journal, self.progress = run, schedule, journal, progress
        self.validation, self.selection_languages = validation, selection_languages
        self.score_answers = score_answers
        self.staging, self.rank, self.world_size, self.tokenizer = staging, rank, world_size, tokenizer
        self._seen = TokenCounter()
        self._batches = RunBatches(
            [len(row.input_ids) for row in rows],
            run.training.batch_size,
            run.seed,
            schedule.total_steps,
            window=run.training.length_window,
            rank=rank,
            world_size=world_size,
        )
        super().__init__(callbacks=[ValidateAndSave(schedule)], processing_class=tokenizer, **trainer)
        self.remove_callback(PrinterCallback)

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
        self._seen.add(inputs["attention_mask"])
        total = len(nll) if num_items_in_batch is None else num_items_in_batch
        # Gradients are averaged over processes while `num_items_in_batch` counts the tokens of all of them.
        loss: Tensor = nll.sum() / total * self.world_size
        return loss

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss: Tensor = super().training_step(*args, **kwargs)
        self._require_finite("training loss", float(loss))
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self._require_finite("gradient norm", float(norm))
        return norm

    def _require_finite(self, what: str, value: float, step: int | None = None) -> None:
        """Stop before the update: a checkpoint made after it would look fine and be worthless."""
        if not math.isfinite(value):
            raise RunError(
                f"{what} is {value} at step {step or self.state.global_step + 1}; the update was not made. "
                "Lower training.learning_rate or set training.max_grad_norm."
            )

    @property
    def probe_rows(self) -> tuple[int, int]:
        """Validation rows whose gradient is measured per task and language, and how many of them at a time."""
        # A model that trains with recomputed activations has no room for those of several rows.
        return PROBE_ROWS, 1 if self.args.gradient_checkpointing else PROBE_ROWS

    def cell_gradients(self, probes: Sequence[Probe]) -> dict[TaskLanguage, CellGradient]:
        """Gradients at the current weights; neither weights nor what training keeps are touched."""
        return cell_gradients(self.model, probes, self.rank, self.world_size)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        model: Any = self.model_wrapped
        model.eval()
        totals = summed_losses(model, self._on_device(self.validation))
        model.train()
        return self._record_validation(totals)

    def _record_validation(self, totals: Mapping[TaskLanguage, tuple[float, int]]) -> dict[str, float]:
        """Validation metrics from summed losses, journaled in one piece with the scores of answers when it is time."""
        metrics = summarise(totals, self.selection_languages, self.run.tasks)
        if self.score_answers is not None and self.schedule.generates_at(self.state.global_step):
            scores = self.score_answers(self.model)
            self.model_wrapped.train()
            metrics |= named(scores, self.selection_languages, self.run.tasks)
        if self.rank == 0:
            self.journal.append_metrics("validation", self.state.global_step, metrics)
        # Also tells the control flow that this validation is done.
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _on_device(self, batches: Sequence[tuple[list[TaskLanguage], dict[str, Tensor]]]) -> Any:
        for cells, batch in batches:
            yield cells, {name: tensor.to(self.args.device) for name, tensor in batch.items()}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Training metrics go to the journal; the summary that the parent logs at the end is not a step."""
        if "loss" not in logs or self.rank != 0:
            return
        step = self.state.global_step
        metrics = {f"train/{name}": logs[name] for name in ("loss", "grad_norm", "learning_rate")}
        self.journal.append_metrics("train", step, metrics | self._seen.rates())
        self.progress(stage="train", step=step, total_steps=self.schedule.total_steps, loss=logs["loss"])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
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
            self.tokenizer.save_pretrained(weights)
            self.state.save_to_json(str(state / TRAINER_STATE))
            self.journal.commit_tree(weights, weights_tree(step))
        commit_parts(self.journal, state, resume_tree(step), self.rank)
        if self.rank == 0:
            self._prune(step)
        self._barrier()

    def _prune(self, step: int) -> None:
        """After the checkpoint of a step is complete: delete those that nothing needs any more."""
        points = [(point.step, point.metrics) for point in self.journal.metrics("validation") if point.step <= step]
        prune(self.journal, best_so_far(points, self.run.selection.metric, self.run.selection.mode, step))

    def _barrier(self) -> None:
        if self.world_size > 1:
            self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The model was loaded from the checkpoint's weights already."""


class TokenCounter:
    """Useful tokens and padding since the last log, from attention masks."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._useful: list[Tensor] = []
        self._slots = 0
        self._since = time.monotonic()

    def add(self, mask: Tensor) -> None:
        # Summed on the device and read only when logging, so an accelerator is not made to wait.
        self._useful.append(mask.sum())
        self._slots += mask.numel()

    def rates(self) -> dict[str, float]:
        useful = int(torch.stack(self._useful).sum()) if self._useful else 0
        elapsed = time.monotonic() - self._since
        rates = {
            "perf/tokens_per_second": useful / elapsed if elapsed > 0 else 0.0,
            "perf/padding_fraction": 1 - useful / self._slots if self._slots else 0.0,
        }
        self._reset()
        return rates


def collator(pad_id: int) -> Any:
    """Data collator for rows of `input_ids` and `labels`."""

    def collate_rows(rows: Sequence[dict[str, list[int]]]) -> dict[str, Tensor]:
        return collate([Encoded(row["input_ids"], row["labels"]) for row in rows], pad_id)

    return collate_rows
