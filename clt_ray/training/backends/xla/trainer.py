"""The trainer of a run on a slice: TRL's trainer with another training loop.

Arguments, callbacks, trainer state, the schedule of validations and the records are those of `RunTrainer`. Its
training loop reads values from the device several times per step, and each read stalls the chips and splits the
compiled graph. Here a step is one graph, and the host reads only when it logs, validates or saves.

transformers and accelerate are configured for a CPU (`use_cpu`), so that neither of them uses the device.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import TrainerState, get_scheduler
from transformers.trainer_utils import TrainOutput

from clt_ray.data.formatting import IGNORED
from clt_ray.errors import TornTreeError
from clt_ray.tasks import TaskLanguage
from clt_ray.training.agreement import agreed
from clt_ray.training.backends.xla import checkpoint
from clt_ray.training.backends.xla.backend import XlaBackend
from clt_ray.training.backends.xla.buckets import fit, width_for, widths
from clt_ray.training.backends.xla.gradient_agreement import GradientSketches
from clt_ray.training.backends.xla.graphs import GraphBook, compiled
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.step import Gauges, TrainStep, ValidationStep
from clt_ray.training.backends.xla.writes import Writes
from clt_ray.training.batches import collate
from clt_ray.training.checkpoints import best_until, commit_parts, prune, resume_tree, weights_tree
from clt_ray.training.gradient_agreement import PROBE_ROWS, PairGradient, Probe
from clt_ray.training.job import TrainingJob
from clt_ray.training.trainer import TRAINER_STATE, RunTrainer

Batch = dict[str, Tensor]

COMPILED_GRAPHS = "perf/compiled_graphs"
"""Metric: number of graphs that the process has compiled for the run so far; 0 after another run with the same ones."""


class XlaTrainer(RunTrainer):
    """Trains one run on a slice; `rank` and `world_size` count hosts."""

    def __init__(self, job: TrainingJob, model: Any, backend: XlaBackend, *arguments: Any) -> None:
        """Prepares the training of a job as `RunTrainer` does; `model` is the module of `backend.sharded`."""
        self.sharded, self._write_group = backend.sharded, backend.write_group
        super().__init__(job, model, backend, *arguments)
        # All hosts run the same program on the same rows, so each takes the whole batch.
        self._batches = self.global_batches()
        self._widths = widths(self.run.training.max_length)
        # A graph's rows are split over the chips, so a probe's half has at least a row for each.
        self._probe_rows = backend.rounded_rows(PROBE_ROWS // 2)
        self._validation_rows = backend.rounded_rows(max(len(pairs) for pairs, _ in self.validation))
        self.graphs, self._compiled_before = GraphBook(), compiled()
        self._sketches: GradientSketches | None = None

    def _move_model_to_device(self, model: Any, device: Any) -> None:
        """Does nothing: the model is already on the slice."""

    def _inner_training_loop(self, *_: Any, resume_from_checkpoint: str | None = None, **__: Any) -> TrainOutput:
        self.state = self._state(resume_from_checkpoint)
        optimizer = self._optimizer(resume_from_checkpoint)
        self._step = TrainStep(self.sharded, optimizer, self.graphs)
        self._validate = ValidationStep(self.sharded, self.graphs)
        self._adam = optimizer
        self._first_step = self.state.global_step
        self.control = self.callback_handler.on_train_begin(self.args, self.state, self.control)
        with Writes() as self._writes:
            self._take_steps()
        self.control = self.callback_handler.on_train_end(self.args, self.state, self.control)
        return TrainOutput(self.state.global_step, math.nan, {})

    def _take_steps(self) -> None:
        for batch, tokens in islice(self._global_batches(), self.state.global_step, None):
            self._writes.check()
            self.control = self.callback_handler.on_step_begin(self.args, self.state, self.control)
            self.throughput.add_step(batch.pop("attention_mask"))
            rate = self._rate(self.state.global_step)
            self._step(batch, tokens, rate, self.state.global_step + 1)
            self.state.global_step += 1
            self.control = self.callback_handler.on_step_end(self.args, self.state, self.control)
            self._after_step(rate)
            if self.control.should_training_stop:
                break

    def _after_step(self, rate: float) -> None:
        control = self.control
        if control.should_log:
            gauges = self._checked()
            self._step.restart_mean()
            control.should_log = False
            graphs = float(compiled() - self._compiled_before)
            self.log({"loss": gauges.loss, "grad_norm": gauges.norm, "learning_rate": rate, COMPILED_GRAPHS: graphs})
        if control.should_evaluate:
            self._checked()
            self.evaluate()
        if control.should_save:
            self._save_checkpoint(self.model, None)
            self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def _checked(self) -> Gauges:
        """Returns the measurements of the device.

        Raises:
            RunError: A loss or gradient norm was not finite; no update was made since.
        """
        gauges = self._step.read()
        steps = self.state.global_step - self._first_step
        if gauges.updates < steps:
            bad_step = self._first_step + gauges.updates + 1
            what = "gradient norm" if math.isfinite(gauges.bad_loss) else "training loss"
            value = gauges.bad_norm if math.isfinite(gauges.bad_loss) else gauges.bad_loss
            self.require_finite(what, value, bad_step)
        return gauges

    def may_stop_at(self, step: int) -> bool:
        """Returns whether the host reads from the device after this step anyway."""
        return step % self.schedule.log_every == 0

    @property
    def probe_rows(self) -> tuple[int, int]:
        return 2 * self._probe_rows, self._probe_rows

    def pair_gradients(self, probes: Sequence[Probe]) -> dict[TaskLanguage, PairGradient]:
        if self._sketches is None:
            self._sketches = GradientSketches(self.sharded, self._adam, self.graphs, self.job.pad_id)
        return self._sketches.measure(probes, self._probe_rows, self._widths, self.state.global_step)

    def validation_losses(self) -> dict[TaskLanguage, tuple[float, int]]:
        step, pending = self.state.global_step, []
        for pairs, batch in self.validation:
            shaped = self._shaped(batch, self._validation_rows)
            shaped.pop("attention_mask")
            pending.append((pairs, batch["labels"], self._validate(shaped, step)))
        totals: dict[TaskLanguage, tuple[float, int]] = {}
        for pairs, labels, losses in pending:
            tokens = (labels[:, 1:] != IGNORED).sum(dim=1).tolist()
            values = self.sharded.chips.read(losses).double().tolist()
            for pair, value, count in zip(pairs, values, tokens, strict=False):
                total, seen = totals.get(pair, (0.0, 0))
                totals[pair] = (total + value, seen + count)
        return totals

    def commit_checkpoint(self, model: Any) -> None:
        self._writes.wait()
        step = self.state.global_step
        host_folder = self.staging / f"host-{self.rank}"
        weights, state = host_folder / "weights", host_folder / "resume"
        for folder in (weights, state):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        # Process 0 has recorded the validations, so it alone knows whether this step is the best so far.
        best = partial(best_until, self.journal, step, self.run)
        is_best_here = agreed(self.backend, lambda: self.rank == 0 and best() == step, lambda _: {})
        is_best = self.backend.any_process(is_best_here)
        image = checkpoint.take(self.sharded, self._adam, weights if self.rank == 0 else None, with_weights=is_best)
        if self.rank == 0:
            self.state.save_to_json(str(state / TRAINER_STATE))
        if self.rank == 0 and is_best:
            self.job.tokenizer.save_pretrained(weights)
            self.sharded.module.config.save_pretrained(weights)
            self.sharded.module.generation_config.save_pretrained(weights)
        self._writes.start(partial(self._write, image, weights if is_best else None, state, step))

    def _write(self, image: checkpoint.Image, weights: Path | None, state: Path, step: int) -> None:
        """Writes a copied checkpoint to the journal; runs in a thread beside training, on all hosts at once.

        Collectives match by call order, so the hosts use a process group here that training does not use. The marker
        is written after all hosts have written their parts, and no host returns before.
        """
        image.write_state(state, self._write_group)
        if self.rank == 0 and weights is not None:
            image.write_weights(weights)
            self.journal.commit_tree(weights, weights_tree(step))
        commit_parts(self.journal, state, resume_tree(step), self.rank, self._write_group)
        if self.rank == 0:
            prune(self.journal, self.run, states_alone=True)
        if self._write_group is not None:
            dist.barrier(self._write_group)

    def _optimizer(self, resume: str | None) -> AdamW:
        args = self.args
        settings = AdamWSettings(args.adam_beta1, args.adam_beta2, args.weight_decay, args.max_grad_norm)
        decayed = self.get_decay_parameter_names(self.sharded.module)
        optimizer = AdamW(self.sharded.parameters(), self.sharded.plan, decayed, settings, self.sharded.chips)
        if resume is None:
            optimizer.create(self.sharded.masters())
        else:
            optimizer.create_empty()
            checkpoint.restore(optimizer, self._fetched(optimizer, Path(resume)))
        return optimizer

    def _fetched(self, optimizer: AdamW, resume: Path) -> Path:
        """Returns a folder with the parts of a resume state that this host's chips need.

        Raises:
            TornTreeError, DisagreementError: A part is damaged, as seen here or on another host. A state that process 0
                finds damaged as well is deleted, so that the next attempt uses an earlier one.
        """
        tree = resume_tree(self.state.global_step)
        ranges = checkpoint.needed_ranges(optimizer, resume)
        try:
            return agreed(self.backend, lambda: self.journal.open_tree(tree, ranges), lambda _: {})
        except Exception as error:
            files = self.backend.gather(error.file if isinstance(error, TornTreeError) else None)
            if self.rank == 0 and any(files):
                # The disk or the memory of one host must not cost a state that is whole.
                try:
                    self.journal.open_tree(tree, dict.fromkeys(filter(None, files)))
                except TornTreeError:
                    self.journal.delete_tree(tree)
            raise

    def _state(self, resume: str | None) -> TrainerState:
        state = TrainerState() if resume is None else TrainerState.load_from_json(str(Path(resume) / TRAINER_STATE))
        state.max_steps = self.schedule.total_steps
        state.compute_steps(self.args, state.max_steps)
        return state

    def _rate(self, steps_done: int) -> float:
        if not hasattr(self, "_rate_factor"):
            # The schedulers of transformers are functions of the step; only their constructors require an optimizer.
            unused = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
            warmup = self.args.get_warmup_steps(self.schedule.total_steps)
            scheduler = get_scheduler(self.args.lr_scheduler_type, unused, warmup, self.schedule.total_steps)
            self._rate_factor = scheduler.lr_lambdas[0]
        return float(self.args.learning_rate * self._rate_factor(steps_done))

    def _global_batches(self) -> Iterator[tuple[Batch, int]]:
        for indices in self._batches:
            batch = collate([self.job.rows[index] for index in indices], self.job.pad_id)
            tokens = int((batch["labels"][:, 1:] != IGNORED).sum())
            yield self._shaped(batch, self.run.training.batch_size), tokens

    def _shaped(self, batch: Batch, rows: int) -> Batch:
        return fit(batch, rows, width_for(batch["input_ids"].shape[1], self._widths), self.job.pad_id)
