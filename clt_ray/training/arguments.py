"""The settings of TRL's trainer for one run."""

from pathlib import Path

from trl import SFTConfig

from clt_ray.training.backends.base import Backend
from clt_ray.training.job import TrainingJob


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
        # `ValidateAndSave` requests validations and checkpoints, since a run also validates after its last step.
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
