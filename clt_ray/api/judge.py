"""The verb `judge`: the kept generations of finished runs -> ratings in their directories and in MLflow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clt_ray.api.locations import Locations
from clt_ray.errors import ConfigurationError, Problem
from clt_ray.judge.cache import Settings
from clt_ray.judge.endpoint import Endpoint, endpoint
from clt_ray.judge.record import judge_key
from clt_ray.judge.spending import Tokens
from clt_ray.judge.verdicts import TASK
from clt_ray.judge.work import Judge, JudgedRun
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec

if TYPE_CHECKING:
    from clt_ray.judge.client import Client

CONCURRENCY = 8
WHERE = "command line"


@dataclass(frozen=True)
class JudgeOptions:
    """How to judge."""

    temperature: float = 0.0
    """Of the judge; 0 asks for its likeliest reply."""
    concurrency: int = CONCURRENCY
    """Requests on their way at a time."""
    requests_per_minute: float | None = None
    """Most requests in a minute, repetitions included; None for no limit."""
    dry_run: bool = False
    """Send nothing and write nothing; count what would be sent."""


@dataclass(frozen=True)
class JudgeOutcome:
    """What became of a sweep."""

    sweep: str
    judge: str
    """Name of the judge: its model, and a hash over all that decides its ratings."""
    host: str
    """Host and port of the judge."""
    dry_run: bool
    """Whether nothing was sent."""
    runs: tuple[JudgedRun, ...]
    """Finished runs of instruction following."""
    unfinished: int
    """Runs that cannot be judged yet."""
    sent: int
    """Requests on the wire, repetitions included."""
    untracked: str | None
    """Why MLflow is not up to date; None when it is, or in a dry run."""

    @property
    def tokens(self) -> Tokens:
        """Spent now on all runs; in a dry run, a rough estimate."""
        return sum((run.tokens for run in self.runs), Tokens())

    @property
    def complete(self) -> bool:
        """Whether every run of the sweep has its ratings; in a dry run, whether every one could be judged."""
        return not self.unfinished and all(run.complete for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"complete": self.complete, "tokens": asdict(self.tokens)}


def judge(
    path: str,
    locations: Locations,
    options: JudgeOptions | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    show: Callable[[JudgedRun], None] = lambda run: None,
) -> JudgeOutcome:
    """Rate the kept generations of every finished run of a sweep; what was rated before costs nothing.

    Args:
        path: Sweep file.
        locations: Store and tracker.
        options: How to judge.
        overrides: As given to `run`.
        environment: Names the judge; by default that of this process.
        show: Called with each run when it is done.

    Raises:
        ConfigurationError: The sweep file, the environment or an option is wrong, or no run can be judged.
        DataError: A run's generations are missing or malformed.
        JudgeStopped: The judge refuses every request; what it has answered is kept.
    """
    options = options or JudgeOptions()
    spec = load_sweep(path, overrides)
    _check(options)
    judge_at = endpoint(os.environ if environment is None else environment)
    runs = [run for run in expand(spec) if TASK in run.tasks]
    store = Store(locations.storage)
    finished = _finished(path, runs, store)
    work = Judge(store, judge_at, Settings(judge_at.model, options.temperature))
    if options.dry_run:
        told, sent, untracked = work.preview(finished, show), 0, None
    else:
        client = _client(judge_at, work.settings, options.requests_per_minute)
        told = asyncio.run(_all(work, finished, client, options.concurrency, show))
        sent, untracked = client.sent, _track(locations, spec.name, store, finished)
    unfinished = len(runs) - len(finished)
    key = judge_key(work.settings)
    return JudgeOutcome(spec.name, key, judge_at.host, options.dry_run, told, unfinished, sent, untracked)


async def _all(
    work: Judge, runs: Sequence[RunSpec], client: Client, concurrency: int, show: Callable[[JudgedRun], None]
) -> tuple[JudgedRun, ...]:
    """Runs one after the other, so that each is whole as early as can be."""
    told = []
    try:
        for run in runs:
            told.append(await work.judge(run, client.ask, concurrency))
            show(told[-1])
    finally:
        await client.close()
    return tuple(told)


def _finished(path: str, runs: Sequence[RunSpec], store: Store) -> list[RunSpec]:
    """Those of the runs that can be judged.

    Raises:
        ConfigurationError: There is none.
    """
    if not runs:
        remedy = f"only runs of {TASK} are judged: add {TASK} to grid.task"
        raise ConfigurationError([Problem(path, "grid.task", None, f"no run of {TASK}", remedy)])
    states = store.states([run.run_id for run in runs])
    finished = [run for run in runs if states[run.run_id].kind == "finished"]
    if not finished:
        raise ConfigurationError([Problem(path, "", None, f"no run of {TASK} is finished", f"clt-ray run {path}")])
    return finished


def _client(judge_at: Endpoint, settings: Settings, requests_per_minute: float | None) -> Client:
    """The client.

    Raises:
        ConfigurationError: The libraries that it needs are not installed.
    """
    try:
        from clt_ray.judge.client import Client
    except ImportError as error:
        remedy = "pip install 'clt-ray[judge]'"
        raise ConfigurationError([Problem("clt-ray judge", "", None, f"needs {error.name}", remedy)]) from error
    from clt_ray.judge.rate import Pace

    return Client(judge_at, settings, Pace(requests_per_minute))


def _check(options: JudgeOptions) -> None:
    """Refuse options with which nothing could be asked.

    Raises:
        ConfigurationError: All of them.
    """
    rate = options.requests_per_minute
    wrong = {
        ("--temperature", options.temperature, "from 0 to 2"): not 0 <= options.temperature <= 2,
        ("--concurrency", options.concurrency, "at least 1"): options.concurrency < 1,
        ("--requests-per-minute", rate, "more than 0"): rate is not None and not rate > 0,
    }
    problems = [
        Problem(WHERE, option, value, f"has to be {allowed}")
        for (option, value, allowed), is_wrong in wrong.items()
        if is_wrong
    ]
    if problems:
        raise ConfigurationError(problems)


def _track(locations: Locations, sweep: str, store: Store, runs: Sequence[RunSpec]) -> str | None:
    """Bring the ratings to MLflow; why not, when that fails."""
    from clt_ray.tracking import SweepTracker, TrackerUnavailable

    try:
        SweepTracker(locations.tracking_uri, sweep, store).sync(runs)
    except TrackerUnavailable as error:
        return str(error)
    return None
