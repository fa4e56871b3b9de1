"""Train one run: from encoded rows to a chosen checkpoint.

`train` may be called again after any interruption. It continues from the newest complete checkpoint, and when
everything planned has been recorded it only reads the selection.
"""

import shutil
import time
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from clt_ray.errors import RunStopped
from clt_ray.sweep.selection import Selection
from clt_ray.training.agreement import agreed
from clt_ray.training.backends.base import Backend
from clt_ray.training.checkpoints import ResumePoint, best_until, keep_only, latest_resume_point, select, weights_tree
from clt_ray.training.gradient_agreement import GradientAgreement, probes_of
from clt_ray.training.job import TrainingJob
from clt_ray.training.journal import Journal, Progress, Supervisor
from clt_ray.training.model import location, weights_digest


def train(
    job: TrainingJob,
    backend: Backend,
    journal: Journal,
    progress: Progress,
    staging: Path,
    clock: Callable[[], float] = time.monotonic,
    supervisor: Supervisor | None = None,
) -> Selection:
    """Fine-tunes all parameters of a run's model and returns the choice of its best checkpoint.

    Every process of the run calls this; process 0 writes. `clock` gives seconds for the metrics of speed. `supervisor`
    may ask to stop.

    Raises:
        RunStopped: The supervisor of a process asked to stop; there is a checkpoint of the last step.
        RunError: A loss or gradient is not finite, or there is nothing to select by. Repeating the run would not help.
    """
    selection = completed(journal, job)
    if selection is None:
        resume = agreed(backend, lambda: resume_point(journal, job, backend), lambda point: start_facts(job, point))
        if backend.rank == 0:
            journal.truncate_metrics(after_step=resume.step if resume else 0)
        if supervisor and backend.any_process(supervisor.stop_reason is not None):
            raise RunStopped("the run was asked to stop before its first step")
        model = starting_model(job, backend, resume)
        trainer = backend.trainer_class()(job, model, backend, journal, progress, staging, clock)
        every = job.run.training.gradient_agreement_every
        if every:
            probes = probes_of(job.run, job.validation, job.pad_id, *trainer.probe_rows)
            trainer.add_callback(GradientAgreement(probes, every, journal, trainer.measure_gradients, backend.rank))
        supervised = Supervised(supervisor, backend, trainer.may_stop_at)
        trainer.add_callback(supervised)
        trainer.train(resume_from_checkpoint=str(resume.state) if resume else None)
        shutil.rmtree(staging, ignore_errors=True)
        selection = completed(journal, job)
        if supervised.stopped and selection is None:
            raise RunStopped(f"the run was asked to stop and has stopped after step {trainer.state.global_step}")
        assert selection is not None, "training returned before its last validation"
    if backend.rank == 0:
        keep_only(journal, selection.chosen.step)
    backend.barrier()
    return selection


def resume_point(journal: Journal, job: TrainingJob, backend: Backend) -> ResumePoint | None:
    """Returns the checkpoint from which training goes on; None to start from the base model."""
    best = partial(best_until, journal, run=job.run)
    return latest_resume_point(journal, best, first_missing(journal, job), backend.resume_files)


def start_facts(job: TrainingJob, resume: ResumePoint | None) -> dict[str, str]:
    """Returns what the processes of a run compare before they load the model. Reading verifies a checkpoint."""
    if resume is not None:
        return {"checkpoint to continue from": f"step {resume.step}"}
    digest = weights_digest(location(job.run.model), job.run.model.revision)
    return {"checkpoint to continue from": "none", "weights of the base model": digest}


def first_missing(journal: Journal, job: TrainingJob) -> float:
    """Returns the first step whose planned records the logs lack, infinity where they lack none.

    Training has to go back to before it. The logs of a run lack records before its last checkpoint only if a file was
    damaged.
    """
    schedule = job.schedule
    logged = {*range(schedule.log_every, schedule.total_steps + 1, schedule.log_every)}
    missing = logged - {point.step for point in journal.metrics("train")}
    missing |= set(schedule.planned_validations()) - {point.step for point in journal.metrics("validation")}
    return min(missing, default=inf)


class Supervised(TrainerCallback):
    """Tells the supervisor that training goes on, and ends it with a checkpoint where a process was asked to stop."""

    def __init__(self, supervisor: Supervisor | None, backend: Backend, may_stop_at: Callable[[int], bool]) -> None:
        self.supervisor, self.backend, self.may_stop_at = supervisor, backend, may_stop_at
        self.stopped = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.supervisor is None:
            return
        self.supervisor.beat()
        asked = self.supervisor.stop_reason is not None
        if self.may_stop_at(state.global_step) and self.backend.any_process(asked):
            self.stopped = control.should_save = control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.supervisor is not None:
            self.supervisor.beat()

    on_save = on_evaluate


def starting_model(job: TrainingJob, backend: Backend, resume: ResumePoint | None) -> Any:
    """Returns the model from which training goes on: a checkpoint's, or the base model."""
    spec, weights = job.run.model, resume and resume.weights
    place, revision = (str(weights), None) if weights else (location(spec), spec.revision)
    model = backend.load_model(place, revision, job.run.training.precision, empty=bool(resume) and not weights)
    model.config.pad_token_id = job.pad_id
    return model


def completed(journal: Journal, job: TrainingJob) -> Selection | None:
    """Returns the selection once every planned validation is recorded and the chosen weights are complete."""
    points = {point.step: point.metrics for point in journal.metrics("validation")}
    if not set(job.schedule.planned_validations()) <= set(points):
        return None
    selection = select(points.items(), job.run.selection.metric, job.run.selection.mode)
    chosen = weights_tree(selection.chosen.step)
    return selection if chosen in journal.complete_trees("checkpoints/") else None
