"""Train one run: from encoded rows to a chosen checkpoint.

`train` may be called again after any interruption. It continues from the newest complete checkpoint, and when
everything planned has been recorded it only reads the selection.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import SFTConfig

from clt_ray.data.formatting import Encoded
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection
from clt_ray.tasks import TaskLanguage
from clt_ray.training.backends.base import Backend
from clt_ray.training.batches import validation_batches, with_blank
from clt_ray.training.checkpoints import keep_only_best, latest_resume_point, weights_tree
from clt_ray.training.gradient_agreement import GradientAgreement, probes_of
from clt_ray.training.journal import Journal, Progress
from clt_ray.training.model import location
from clt_ray.training.schedule import Schedule
from clt_ray.training.selection import best_so_far, select
from clt_ray.training.trainer import collator
from clt_ray.training.validation import ScoreAnswers, require_metric

VALIDATION_BATCH_ROWS = 32


def train(
    run: RunSpec,
    rows: Sequence[Encoded],
    validation: Mapping[TaskLanguage, Sequence[Encoded]],
    tokenizer: Any,
    backend: Backend,
    journal: Journal,
    progress: Progress,
    staging: Path,
    score_answers: ScoreAnswers | None = None,
) -> Selection:
    """Fine-tune all parameters of the run's model and choose the best checkpoint.

    Args:
        run: What to train.
        rows: Training rows in mixture order; batches reorder them.
        validation: Rows per (task, language).
        tokenizer: The model's tokenizer; saved beside the weights.
        backend: Hardware of the run, already started.
        journal: Durable record; also where the run resumes from.
        progress: Told where training is whenever it logs.
        staging: Local scratch directory of this process.
        score_answers: Scores a model's answers; needed when the run has `validation.generate`.

    Raises:
        RunError: A non-finite loss or gradient, or nothing to select by. Repeating the run would not help.
    """
    generate = run.validation.generate
    assert generate is None or score_answers is not None, "nothing to score the answers with"
    schedule = Schedule(run.steps, run.training.eval_every, generate.every if generate else None)
    languages = run.selection_languages
    require_metric(run.selection.metric, validation, languages)

    finished = completed(journal, schedule, run)
    if finished is None:
        resume = latest_resume_point(journal, lambda step: best_until(journal, step, run))
        backend.barrier()
        if backend.rank == 0:
            journal.truncate_metrics(after_step=resume.step if resume else 0)
        model = backend.load_model(
            str(resume.weights) if resume else location(run.model),
            None if resume else run.model.revision,
            run.training.precision,
        )
        model.config.pad_token_id = tokenizer.pad_token_id
        trainer = backend.trainer_class()(
            model=model,
            args=SFTConfig(**arguments(run, schedule, backend, staging)),
            train_dataset=dataset(with_blank(rows, tokenizer.pad_token_id)),
            data_collator=collator(tokenizer.pad_token_id),
            tokenizer=tokenizer,
            run=run,
            schedule=schedule,
            journal=journal,
            progress=progress,
            rows=rows,
            validation=validation_batches(
                dict(validation), backend.rounded_rows(VALIDATION_BATCH_ROWS), tokenizer.pad_token_id
            ),
            selection_languages=languages,
            score_answers=score_answers,
            staging=staging,
            rank=backend.rank,
            world_size=backend.world_size,
        )
        if run.training.gradient_agreement_every:
            probes = probes_of(run, validation, tokenizer.pad_token_id, *trainer.probe_rows)
            every = run.training.gradient_agreement_every
            trainer.add_callback(GradientAgreement(probes, every, journal, trainer.cell_gradients, backend.rank))
        trainer.train(resume_from_checkpoint=str(resume.state) if resume else None)
        shutil.rmtree(staging, ignore_errors=True)
        finished = completed(journal, schedule, run)
        assert finished is not None, "training returned before its last validation"
    if backend.rank == 0:
        keep_only_best(journal, finished.chosen.step)
    backend.barrier()
    return finished


def dataset(rows: Sequence[Encoded]) -> Dataset:
    """The columns that TRL expects of rows that need no more preparation."""
    return Dataset.from_dict({"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]})


def completed(journal: Journal, schedule: Schedule, run: RunSpec) -> Selection | None:
    """The selection, when every planned validation is recorded and the chosen weights are complete."""
    points = {point.step: point.metrics for point in journal.metrics("validation")}
    if not set(schedule.planned_validations()) <= set(points):
        return None
    selection = select(points.items(), run.selection.metric, run.selection.mode)
    chosen = weights_tree(selection.chosen.step)
    return selection if chosen in journal.complete_trees("checkpoints/") else None


def best_until(journal: Journal, step: int, run: RunSpec) -> int:
    """Step of the best checkpoint among those up to a step; the step itself while none has the metric."""
    points = [(point.step, point.metrics) for point in journal.metrics("validation") if point.step <= step]
    return best_so_far(points, run.selection.metric, run.selection.mode, step)


def arguments(run: RunSpec, schedule: Schedule, backend: Backend, staging: Path) -> dict[str, Any]:
    """Keyword arguments of `trl.SFTConfig`."""
    training = run.training
    scheduler: str = training.schedule
    if scheduler == "constant" and training.warmup_steps:
        scheduler = "constant_with_warmup"
    return {
        "output_dir": str(staging),
        "max_steps": schedule.total_steps,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": scheduler,
        "warmup_steps": training.warmup_steps,
        "weight_decay": training.weight_decay,
        "adam_beta1": training.adam_beta1,
        "adam_beta2": training.adam_beta2,
        # An infinite threshold leaves gradients as they are and still computes the norm that is checked.
        "max_grad_norm": float("inf") if training.max_grad_norm is None else training.max_grad_norm,
        "seed": run.seed,
        "logging_strategy": "steps",
        "logging_steps": schedule.log_every,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "remove_unused_columns": False,
        "packing": False,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        **backend.trainer_arguments(run, schedule, staging),
    }
