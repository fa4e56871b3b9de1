"""One run from its specification to its scores. Ray, MLflow and the command line are elsewhere.

    hold the lease -> prepare data -> train -> choose -> evaluate -> record

Every stage leaves its outcome in the run directory, and `result.json` comes last. Calling `execute` again after
any interruption continues where the directory says; calling it for a finished run returns at once.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clt_ray.errors import CltRayError, DisagreementError, RunStopped, TornTreeError
from clt_ray.store import PeakMemory, ResultDocument, RunDir, StageSeconds, StopDocument, Store
from clt_ray.store.lease import STALE_SECONDS, Lease, LeaseHeld, LeaseLost
from clt_ray.store.recorder import Recorder, RunRecorder
from clt_ray.supervision import limit_seconds, supervised, watched
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection

if TYPE_CHECKING:
    # These modules load PyTorch and transformers. The stages import them when they run, so that finding a finished
    # run costs nothing.
    from clt_ray.data.mixture import RunData
    from clt_ray.evaluation.evaluate import Generation
    from clt_ray.training.backends.base import Backend
    from clt_ray.training.job import TrainingJob

HANDOVER_SECONDS = 10.0
"""Seconds that a run waits for the lease of a live process, which may be ending; after them the process keeps it."""
LEASE_WAIT_SECONDS = STALE_SECONDS + 10.0
"""Longest wait in seconds for the lease of a process that shows no new heartbeat; after them the lease is stale."""
LEASE_POLL_SECONDS = 0.5

PACKAGES = ("clt-ray", "torch", "transformers", "trl", "accelerate", "datasets")
"""Packages whose version can change a run's numbers."""

Outcome = Literal["finished", "failed", "held", "stopped"]


def execute(run: RunSpec, store: Store, *, rank: int = 0, claim: str | None = None) -> Outcome:
    """Carries one run to its result, or as far as it goes.

    Args:
        run: The run to execute.
        store: The store with its directory.
        rank: Index of this process among those that train the run together; process 0 holds the lease, and decides for
            all whether there is something to do.
        claim: Identity of the supervisor that starts the processes of this run, such as the name of a Ray Train run.
            The lease of an earlier process with the same claim is taken over at once.

    Returns:
        `finished`; `failed` in a way that repeating would not mend (status.json has the reason); `held`: another
        process is executing the run, and has shown that it is alive while this one waited; or `stopped`: it was asked
        to stop, and executing it again continues.

    Raises:
        Exception: Anything else that went wrong; the status says so, and the caller may try again.
    """
    directory = store.run_dir(run.run_id)
    if rank != 0:
        return _other_process(run, directory)
    # The storage may hang before there is a lease with which an error could be recorded.
    beginning = Recorder()
    with watched(beginning, limit_seconds(run)):
        lease = _begin(directory, claim, beginning)
    if not isinstance(lease, Lease):
        if _has_others(run):
            _dismiss_others(run)
        return lease
    with lease:
        directory.write_run(run)
        directory.delete_file(StopDocument.FILE)
        directory.repair_metrics()
        recorder = RunRecorder(directory, run)
        with supervised(recorder, limit_seconds(run), directory):
            return _attempt(run, directory, recorder)


def _other_process(run: RunSpec, directory: RunDir) -> Outcome:
    recorder = Recorder()
    try:
        with supervised(recorder, limit_seconds(run)):
            _stages(run, directory, recorder)
        return "finished"
    except RunStopped:
        return "stopped"


def _begin(directory: RunDir, claim: str | None, recorder: Recorder) -> Lease | Outcome:
    """Acquires the lease, or returns why process 0 has nothing to do."""
    if directory.is_finished():
        return "finished"
    try:
        lease = _hold_lease(directory, claim, recorder)
    except LeaseHeld:
        return "held"
    if directory.is_finished():
        lease.release()
        return "finished"
    return lease


def _has_others(run: RunSpec) -> bool:
    return run.hardware.is_tpu or run.hardware.workers > 1


def _dismiss_others(run: RunSpec) -> None:
    """Tells the other processes of the run that process 0 leaves; they would wait for it in a collective."""
    from clt_ray.training.backends import select_backend

    backend = select_backend(run)
    backend.start(run)
    backend.any_process(True)


def _hold_lease(directory: RunDir, claim: str | None, recorder: Recorder) -> Lease:
    """Acquires the lease, and waits until it is free or stale unless its holder shows that it is alive."""
    start = time.monotonic()
    while True:
        try:
            return directory.acquire_lease(claim=claim)
        except LeaseHeld as held:
            if time.monotonic() - start > (HANDOVER_SECONDS if held.renewed else LEASE_WAIT_SECONDS):
                raise
        recorder.beat()
        time.sleep(LEASE_POLL_SECONDS)


def _attempt(run: RunSpec, directory: RunDir, recorder: RunRecorder) -> Outcome:
    recorder.enter_stage("data")
    try:
        _stages(run, directory, recorder)
        return "finished"
    except LeaseLost:
        if _has_others(run):
            # Only the end of this process ends those that wait for it in a collective.
            raise
        return "held"
    except RunStopped:
        recorder.stop(recorder.stop_reason or "another process of the run was asked to stop")
        return "stopped"
    except CltRayError as error:
        passing = isinstance(error, (TornTreeError, DisagreementError))
        recorder.fail(error, permanent=not passing)
        if passing:
            raise
        return "failed"
    except Exception as error:
        recorder.fail(error, permanent=False)
        raise


def _stages(run: RunSpec, directory: RunDir, recorder: Recorder) -> None:
    """Executes all stages of a run in this process. Process 0 and the others differ in their recorder."""
    from clt_ray.evaluation.evaluate import checkpoint_scores, evaluation_files, summarise
    from clt_ray.training.agreement import agreed
    from clt_ray.training.backends import select_backend

    started = time.monotonic()
    backend = select_backend(run)
    backend.start(run)
    if backend.any_process(False):
        raise RunStopped("process 0 does not execute the run: it is finished, or another process holds it")
    # This imports transformers' trainer, which imports torch_xla, which reads what the backend has set up above.
    from clt_ray.training.train import train

    backend.after_batch = recorder.beat
    data, job = agreed(backend, lambda: _prepare(run, backend), _facts)
    with tempfile.TemporaryDirectory(prefix=f"clt-ray-{run.run_id}-", ignore_cleanup_errors=True) as staging:
        selection = train(job, backend, directory, recorder.progress, Path(staging), supervisor=recorder)
    trained = time.monotonic()
    if backend.rank != 0 and not backend.every_process_evaluates:
        return
    recorder.enter_stage("evaluate")
    backend.after_batch = partial(_stop_point, recorder, backend)
    weights = _open_chosen(selection, directory, recorder)
    generations, tokens_per_second = _evaluate(job, data, weights, backend)
    scores = summarise(run, generations)
    if backend.rank == 0:
        scores += checkpoint_scores(run, weights, scores)
    result = ResultDocument(
        run_id=run.run_id,
        name=run.name,
        selection=selection,
        steps=run.steps,
        train_rows=len(data.train),
        dropped_rows=data.dropped,
        data=tuple(data.origins),
        seconds=StageSeconds(train=trained - started, evaluate=time.monotonic() - trained),
        generated_tokens_per_second=tokens_per_second,
        versions=package_versions(),
        peak_memory=PeakMemory(host_bytes=peak_host_bytes(), device_bytes=backend.peak_device_bytes()),
    )
    recorder.finish(evaluation_files(run, generations, scores), result)


def _stop_point(recorder: Recorder, backend: Backend) -> None:
    """Ends the evaluation where the run was asked to stop; the chosen checkpoint is complete already."""
    recorder.beat()
    asked = recorder.stop_reason is not None
    if backend.any_process(asked) if backend.every_process_evaluates else asked:
        raise RunStopped("the run was asked to stop and has stopped before its scores were complete")


def _prepare(run: RunSpec, backend: Backend) -> tuple[RunData, TrainingJob]:
    """Reads the run's rows, checks its test prompts, and encodes what training reads."""
    from clt_ray.data.fewshot import check_prompts
    from clt_ray.data.formatting import Encoded, context_length, encode
    from clt_ray.data.mixture import build_run_data
    from clt_ray.data.rows import Row
    from clt_ray.evaluation.evaluate import answer_scorer
    from clt_ray.training.job import TrainingJob
    from clt_ray.training.model import load_tokenizer, location

    data = build_run_data(run)
    tokenizer = load_tokenizer(run.model)
    check_prompts(run, data.test, tokenizer, context_length(location(run.model), run.model.revision))

    def encoded(rows: Sequence[Row]) -> list[Encoded]:
        return [encode(row, tokenizer, run.training.max_length) for row in rows]

    job = TrainingJob(
        run=run,
        rows=encoded(data.train),
        validation={pair: encoded(rows) for pair, rows in data.validation.items()},
        tokenizer=tokenizer,
        score_answers=answer_scorer(run, data.validation, tokenizer, backend),
    )
    return data, job


def _facts(prepared: tuple[RunData, TrainingJob]) -> dict[str, str]:
    """Returns what all processes of a run have to have alike before they train together."""
    from clt_ray.training.agreement import digest_of, rows_digest

    data, job = prepared
    return {
        "package versions": ", ".join(f"{name} {version}" for name, version in package_versions().items()),
        "training rows": rows_digest(job.rows),
        "validation rows": digest_of([(pair, rows_digest(rows)) for pair, rows in job.validation.items()]),
        "test rows": digest_of(data.test),
    }


def _open_chosen(selection: Selection, directory: RunDir, recorder: Recorder) -> Path:
    from clt_ray.training.checkpoints import weights_tree

    tree = weights_tree(selection.chosen.step)
    try:
        return directory.open_tree(tree)
    except TornTreeError:
        # Without the damaged weights, the next attempt trains again from before them.
        recorder.discard_tree(tree)
        raise


def _evaluate(job: TrainingJob, data: RunData, weights: Path, backend: Backend) -> tuple[list[Generation], float]:
    from clt_ray.evaluation.evaluate import evaluate

    model = backend.load_model(str(weights), None, job.run.training.precision)
    began = time.monotonic()
    generations = evaluate(job.run, data.test, model, job.tokenizer, backend, scorers=job.run.evaluation.scorers)
    tokens = sum(generation.output_tokens for generation in generations)
    return generations, tokens / (time.monotonic() - began)


def package_versions() -> dict[str, str]:
    """Returns the version of each package that can change a run's numbers, as this process would load it."""
    return {name: version(name) for name in PACKAGES}


def peak_host_bytes() -> int:
    """Returns the largest resident set of this process until now, in bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes (getrusage(2) of each).
    return largest if sys.platform == "darwin" else largest * 1024
