"""One run from its specification to its scores. Ray, MLflow and the command line are elsewhere.

    rows -> training -> chosen checkpoint -> generations -> scores -> result.json

Every stage leaves its outcome in the run directory, and `result.json` comes last. Calling `execute` again after
any interruption continues where the directory says; calling it on a finished run returns at once.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal

from clt_ray.errors import CltRayError
from clt_ray.evaluation.evaluate import Generation, Score
from clt_ray.store import (
    ErrorRecord,
    Lease,
    LeaseHeld,
    LeaseLost,
    ResultDocument,
    RunDir,
    StageSeconds,
    StatusDocument,
    Store,
    TornTreeError,
)
from clt_ray.sweep.run import RunSpec

Clock = Callable[[], float]

HANDOVER_SECONDS = 10.0
"""How long a run waits for a holder that is being killed; a live one keeps it for ever."""

Outcome = Literal["finished", "failed", "held"]


class Status:
    """Writes status.json; each call replaces what the last one said."""

    def __init__(self, directory: RunDir, run: RunSpec, clock: Clock = time.time) -> None:
        self.directory, self.clock = directory, clock
        previous = directory.status()
        attempt = (previous.attempt if previous is not None else 0) + 1
        self.last = StatusDocument(state="running", attempt=attempt, stage="data", step=0, total_steps=run.steps)

    def __call__(self, *, stage: str, step: int, total_steps: int, loss: float | None) -> None:
        self._write(replace(self.last, stage=stage, step=step, total_steps=total_steps, loss=loss))

    def stage(self, stage: str) -> None:
        self._write(replace(self.last, stage=stage))

    def failed(self, error: BaseException, permanent: bool) -> None:
        record = ErrorRecord(
            type=type(error).__name__,
            message=str(error),
            permanent=permanent,
            traceback="".join(traceback.format_exception(error)),
        )
        self._write(replace(self.last, state="failed", error=record))

    def finished(self) -> None:
        self._write(replace(self.last, state="finished"))

    def _write(self, document: StatusDocument) -> None:
        self.last = replace(document, updated=self.clock())
        self.directory.write_status(self.last)


def execute(run: RunSpec, store: Store, *, rank: int = 0) -> Outcome:
    """Carry one run to its result, or as far as it goes.

    Args:
        run: What to do.
        store: Where its directory is.
        rank: Index of this process among those that train the run together; process 0 holds the lease.

    Returns:
        `finished`; `failed` in a way that repeating would not mend (the reason is in its status.json); or `held`:
        somebody else is executing the run.

    Raises:
        Exception: Anything else that went wrong; the status says so, and the caller may try again.
    """
    directory = store.run_dir(run.run_id)
    if directory.is_finished():
        return "finished"
    if rank != 0:
        _stages(run, directory, None)
        return "finished"
    try:
        lease = _lease(directory)
    except LeaseHeld:
        return "held"
    with lease:
        directory.write_run(run)
        status = Status(directory, run)
        status.stage("data")
        try:
            _stages(run, directory, status)
            return "finished"
        except LeaseLost:
            return "held"
        except CltRayError as error:
            status.failed(error, permanent=not isinstance(error, TornTreeError))
            if isinstance(error, TornTreeError):
                raise
            return "failed"
        except Exception as error:
            status.failed(error, permanent=False)
            raise


def _lease(directory: RunDir) -> Lease:
    """The run's lease.

    Raises:
        LeaseHeld: Somebody else has it, and has had it for a while.
    """
    deadline = time.monotonic() + HANDOVER_SECONDS
    while True:
        try:
            return directory.acquire_lease()
        except LeaseHeld:
            if time.monotonic() > deadline:
                raise
        time.sleep(HANDOVER_SECONDS / 50)


def _stages(run: RunSpec, directory: RunDir, status: Status | None) -> None:
    # Heavy libraries load here, so that finding a finished run costs nothing.
    from clt_ray.data.context import context_length
    from clt_ray.data.fewshot import check_prompts
    from clt_ray.data.formatting import encode
    from clt_ray.data.mixture import build_run_data
    from clt_ray.evaluation.evaluate import evaluate, summarise
    from clt_ray.evaluation.validate import answer_scorer
    from clt_ray.training.backends import select_backend
    from clt_ray.training.checkpoints import weights_tree
    from clt_ray.training.job import TrainingJob
    from clt_ray.training.model import load_tokenizer, location
    from clt_ray.training.train import train

    started = time.monotonic()
    backend = select_backend(run)
    backend.start(run)
    data = build_run_data(run)
    tokenizer = load_tokenizer(run.model)
    check_prompts(run, data.test, tokenizer, context_length(location(run.model), run.model.revision))
    length = run.training.max_length
    staging = Path(tempfile.mkdtemp(prefix=f"clt-ray-{run.run_id}-"))
    try:
        job = TrainingJob(
            run=run,
            rows=[encode(row, tokenizer, length) for row in data.train],
            validation={cell: [encode(row, tokenizer, length) for row in rows]
                        for cell, rows in data.validation.items()},
            tokenizer=tokenizer,
            score_answers=answer_scorer(run, data.validation, tokenizer, backend),
        )  # fmt: skip
        selection = train(job, backend, directory, status or _ignore, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    trained = time.monotonic()
    if status is None and not backend.every_process_evaluates:
        return
    if status is not None:
        status.stage("evaluate")
    chosen = weights_tree(selection.chosen.step)
    try:
        weights = directory.open_tree(chosen)
    except TornTreeError:
        # The next attempt trains again from before it.
        if status is not None:
            directory.delete_tree(chosen)
        raise
    model = backend.load_model(str(weights), None, run.training.precision)
    began = time.monotonic()
    generations = evaluate(run, data.test, model, tokenizer, backend)
    speed = sum(item.output_tokens for item in generations) / (time.monotonic() - began)
    if status is None:
        return
    scores = summarise(run, generations)
    _record(run, directory, generations, scores)
    status.finished()
    directory.write_result(
        ResultDocument(
            run_id=run.run_id,
            name=run.name,
            selection=selection,
            steps=run.steps,
            train_rows=len(data.train),
            dropped_rows=data.dropped_rows(),
            data=tuple(data.origins),
            seconds=StageSeconds(train=trained - started, evaluate=time.monotonic() - trained),
            generated_tokens_per_second=speed,
            versions=versions(),
        )
    )


def _ignore(**_: Any) -> None:
    """Only process 0 reports progress."""


def _record(run: RunSpec, directory: RunDir, generations: Sequence[Generation], scores: Sequence[Score]) -> None:
    from clt_ray.evaluation.evaluate import generations_jsonl

    cells = dict.fromkeys((generation.task, generation.language) for generation in generations)
    for task, language in cells:
        chosen = [item for item in generations if (item.task, item.language) == (task, language)]
        directory.write_text(f"generations/{task}.{language}.jsonl", generations_jsonl(chosen))
    items = [
        (run.run_id, item.task, item.language, metric, item.id, value)
        for item in generations
        for metric, value in item.scores.items()
    ]
    header = ("run_id", "task", "eval_language", "metric", "item_id", "score")
    directory.write_text("items.csv", table(header, items))
    columns = tuple(field.name for field in fields(Score))
    directory.write_text("scores.csv", table(columns, [tuple(asdict(score).values()) for score in scores]))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """CSV text; floats in the shortest form that reads back to the same number."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def versions() -> dict[str, str]:
    """Versions of what can change a run's numbers."""
    from importlib.metadata import version

    return {name: version(name) for name in ("clt-ray", "torch", "transformers", "trl", "accelerate", "datasets")}
