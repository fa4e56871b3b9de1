"""`clt-ray judge`: ratings of the kept answers of finished runs by a judge model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.evidence import no_finished_run
from clt_ray.judging.endpoint import Endpoint, endpoint
from clt_ray.judging.judge import Judge, JudgedRun
from clt_ray.judging.record import TASK, judge_key
from clt_ray.judging.replies import Settings
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.store import JudgeTokens
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import TrackerUnavailable
from clt_ray.verbs.options import Json, Overrides, Storage, SweepFile, TrackingUri, flag, next_command, value_option
from clt_ray.verbs.terminal import argument_error, escaped, print_lines, print_result

if TYPE_CHECKING:
    from clt_ray.judging.client import Client

INCOMPLETE = 3
TEMPERATURE_HELP = "Sampling temperature of the judge, from 0 to 2."
RATE_HELP = "Most requests in a minute."


@dataclass(frozen=True)
class JudgeOptions:
    """How to judge."""

    temperature: Annotated[float, typer.Option("--temperature", help=TEMPERATURE_HELP)] = 0.0
    """Sampling temperature of the judge; 0 asks for its most likely reply."""
    concurrency: Annotated[int, typer.Option("--concurrency", metavar="N", help="Requests at a time.")] = 8
    requests_per_minute: Annotated[float | None, value_option("--requests-per-minute", "N", RATE_HELP)] = None
    """Most requests in a minute, repetitions included; None sets no limit."""
    dry_run: Annotated[bool, flag("--dry-run", "Send nothing; count requests and tokens.")] = False


@dataclass(frozen=True)
class JudgeOutcome:
    """What judging a sweep did."""

    sweep: str
    judge: str
    """Name of the judge: its model, and a hash of everything that decides its ratings."""
    host: str
    """Host and port of the judge."""
    dry_run: bool
    runs: tuple[JudgedRun, ...]
    """Finished runs whose answers are rated."""
    unfinished: int
    """Runs that cannot be judged yet."""
    sent: int
    """Requests that were sent, repetitions included."""
    untracked: str | None
    """Why MLflow is not up to date; None when it is, or in a dry run."""

    @property
    def tokens(self) -> JudgeTokens:
        """Tokens spent now on all runs; in a dry run, a rough estimate."""
        return sum((run.tokens for run in self.runs), JudgeTokens(0, 0, 0))

    @property
    def complete(self) -> bool:
        """Whether every run of the sweep has its ratings; in a dry run, whether every one could be judged."""
        return not self.unfinished and all(run.complete for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"complete": self.complete, "tokens": asdict(self.tokens)}


def judge(
    sweep: OpenSweep,
    options: JudgeOptions = JudgeOptions(),
    *,
    environment: Mapping[str, str] | None = None,
    show: Callable[[JudgedRun], None] = lambda run: None,
) -> JudgeOutcome:
    """Rates the kept answers of every finished run of a sweep. What was rated before costs nothing.

    The environment variables, by default those of this process, name the judge. `show` gets each run that is done.

    Raises:
        ConfigurationError: The environment or an option is wrong, or no run can be judged.
        DataError: The answers of a run are missing or malformed.
        JudgeStopped: The judge refuses every request; the ratings that it has given are kept.
    """
    _check(options)
    judge_endpoint = endpoint(os.environ if environment is None else environment)
    settings = Settings(judge_endpoint.model, options.temperature)
    runs = [run for run in sweep.runs if TASK in run.tasks]
    if not runs:
        remedy = f"only runs of {TASK} are judged: add {TASK} to grid.task"
        raise ConfigurationError([Problem(sweep.file, "grid.task", None, f"no run of {TASK}", remedy)])
    states = sweep.store.states([run.run_id for run in runs])
    finished = [run for run in runs if states[run.run_id].kind == "finished"]
    if not finished:
        raise no_finished_run([sweep], TASK)
    work = Judge(sweep.store, judge_endpoint, settings)
    sent = 0
    untracked: str | None = None
    if options.dry_run:
        judged = work.preview(finished, show)
    else:
        client = _client(judge_endpoint, settings, options.requests_per_minute)
        judged = asyncio.run(_judge_all(work, finished, client, options.concurrency, show))
        sent = client.sent
        try:
            sweep.tracker.sync(finished)
        except TrackerUnavailable as error:
            untracked = str(error)
    name, host, unfinished = judge_key(settings), judge_endpoint.host, len(runs) - len(finished)
    return JudgeOutcome(sweep.name, name, host, options.dry_run, judged, unfinished, sent, untracked)


async def _judge_all(
    work: Judge, runs: Sequence[RunSpec], client: Client, concurrency: int, show: Callable[[JudgedRun], None]
) -> tuple[JudgedRun, ...]:
    judged = []
    try:
        # One run after the other, so that the first are complete as early as possible.
        for run in runs:
            judged.append(await work.judge(run, client.ask, concurrency))
            show(judged[-1])
    finally:
        await client.close()
    return tuple(judged)


def _client(judge_endpoint: Endpoint, settings: Settings, requests_per_minute: float | None) -> Client:
    try:
        from clt_ray.judging.client import Client, Pace
    except ImportError as error:
        raise argument_error("judge", "", None, f"needs {error.name}", "pip install 'clt-ray[judge]'") from error
    return Client(judge_endpoint, settings, Pace(requests_per_minute))


def _check(options: JudgeOptions) -> None:
    rate = options.requests_per_minute
    checks = (
        ("--temperature", options.temperature, "from 0 to 2", 0 <= options.temperature <= 2),
        ("--concurrency", options.concurrency, "at least 1", options.concurrency >= 1),
        ("--requests-per-minute", rate, "more than 0", rate is None or rate > 0),
    )
    wrong = [(option, value, f"has to be {allowed}") for option, value, allowed, is_valid in checks if not is_valid]
    if wrong:
        raise ConfigurationError([Problem("clt-ray judge", *parts) for parts in wrong])


def command(
    sweep: SweepFile,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    overrides: Overrides = None,
    options: JudgeOptions = JudgeOptions(),
    as_json: Json = False,
) -> int:
    opened = open_sweep(sweep, overrides=overrides or (), storage=storage, tracking_uri=tracking_uri)
    outcome = judge(opened, options, show=lambda run: None if as_json else _print_run(run, options.dry_run))
    print_result(outcome, as_json, _print, opened)
    return 0 if outcome.complete or options.dry_run else INCOMPLETE


def _print_run(run: JudgedRun, dry_run: bool) -> None:
    if dry_run:
        print(f"{run.name}: {run.items:,} items, {run.requests:,} requests to send", flush=True)
        return
    parts = [f"{run.items:,} items", f"{run.requests:,} requests sent", f"{run.rated:,} rated"]
    if run.unparsable_items:
        parts.append(f"{run.unparsable_items:,} unparsable")
    if run.unanswered:
        parts.append(f"{sum(run.unanswered.values()):,} unanswered, so no scores yet")
    print(f"{run.name}: {', '.join(parts)}", flush=True)


def _print(outcome: JudgeOutcome, sweep: OpenSweep) -> None:
    requests = sum(run.requests for run in outcome.runs)
    judge_at_host = f"judge {outcome.judge} at {outcome.host}"
    if outcome.dry_run:
        lines = [f"{judge_at_host}: {requests:,} requests, roughly {_tokens(outcome.tokens)}; nothing was sent"]
    else:
        repetitions = f" ({outcome.sent:,} with repetitions)" if outcome.sent > requests else ""
        lines = [f"{judge_at_host}: {requests:,} requests{repetitions}, {_tokens(outcome.tokens)}"]
    for run in outcome.runs:
        lines += [f"unparsable: {run.name}: {language}: {_counts(why)}" for language, why in run.unparsable.items()]
        lines += [f"[red]unanswered[/red]: {run.name}: {_counts(run.unanswered)}"] if run.unanswered else []
    if outcome.unfinished:
        lines.append(f"{outcome.unfinished} runs are not finished, and so not judged")
    if outcome.untracked:
        lines.append(f"MLflow is not up to date ({escaped(outcome.untracked)}); the next command brings it up to date")
    unrated = outcome.dry_run or any(not run.complete for run in outcome.runs)
    verb = "judge" if unrated else "run" if outcome.unfinished else "report"
    lines.append(f"next: {escaped(next_command(sweep, verb))}")
    print_lines(*lines)


def _tokens(tokens: JudgeTokens) -> str:
    uncounted = f" and {tokens.uncounted:,} replies that the server did not count" if tokens.uncounted else ""
    return f"{tokens.prompt:,} tokens sent and {tokens.completion:,} received{uncounted}"


def _counts(reasons: Mapping[str, int]) -> str:
    return escaped(", ".join(f"{count:,} {reason}" for reason, count in reasons.items()))
