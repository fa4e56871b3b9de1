"""Submits a command as a Ray job, and follows jobs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clt_ray.errors import CltRayError, ConfigurationError, Problem
from clt_ray.orchestration.upload import adopt_secrets, write_archive

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails
    from ray.job_submission import JobSubmissionClient

SWEEP_KEY, STORAGE_KEY = "clt_ray_sweep", "clt_ray_storage"
"""Metadata by which a job of the same sweep in the same storage is found."""

START_SECONDS = 300.0
"""Time that a starting cluster has to accept a job: its job server answers before its agent can start jobs."""

OUTAGE_SECONDS = 600.0
"""Time without an answer from the job server after which a job is followed no longer."""

RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """What to execute on the cluster, and with what."""

    name: str
    """Name of the sweep; the submission id begins with it."""
    storage: str
    """Where the runs are; empty for the job's default."""
    entrypoint: str
    root: Path
    """See `write_archive` for this, the folder and the paths."""
    folder: Path
    paths: Sequence[Path]
    settings: Mapping[str, str]
    """Environment variables that may be shown."""
    secrets: Mapping[str, str] = field(repr=False)


@contextlib.contextmanager
def job_server(address: str) -> Iterator[JobSubmissionClient]:
    """Connects to a cluster's job server, such as http://127.0.0.1:8265, with Ray's token where there is one.

    The token is RAY_AUTH_TOKEN, or in the file RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token. RAY_JOB_HEADERS (JSON) adds
    headers.

    Raises:
        ConfigurationError: No job server answers, or it refuses the token.
    """
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for module in ("dashboard_sdk", "job.sdk"):
        logging.getLogger(f"ray.dashboard.modules.{module}").setLevel(logging.WARNING)
    # Ray lets this variable overrule the argument, so a variable of the user would overrule the option.
    before = {name: os.environ[name] for name in ("RAY_API_SERVER_ADDRESS",) if name in os.environ}
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    try:
        yield JobSubmissionClient(address, headers=_headers())
    except AuthenticationError as error:
        message, remedy = "the job server requires the cluster's token", "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        raise ConfigurationError([Problem("--address", "", address, message, remedy)]) from error
    except ConnectionError as error:
        remedy = "give the address of the dashboard, such as http://127.0.0.1:8265 behind `ray dashboard cluster.yaml`"
        raise ConfigurationError([Problem("--address", "", address, "no job server answers", remedy)]) from error
    finally:
        del os.environ["RAY_API_SERVER_ADDRESS"]
        os.environ.update(before)


def living(client: JobSubmissionClient, name: str, storage: str) -> JobDetails | None:
    """Returns the job that executes this sweep in this storage at present; None when there is none."""
    key = {SWEEP_KEY: name, STORAGE_KEY: storage}
    same = (job for job in client.list_jobs() if job.metadata and key.items() <= job.metadata.items())
    return next((job for job in same if job.submission_id and not job.status.is_terminal()), None)


def start(client: JobSubmissionClient, job: Job) -> str:
    """Submits a job and returns its submission id: the name of the sweep, with a number where that is taken.

    Raises:
        ConfigurationError: The job's files are missing or too large.
        CltRayError: The cluster did not accept the job.
    """
    from ray._private.ray_constants import WORKER_PROCESS_SETUP_HOOK_ENV_VAR

    taken = {known.submission_id for known in client.list_jobs()}
    candidates = [job.name, *(f"{job.name}-{number}" for number in range(2, len(taken) + 2))]
    variables = dict(job.settings)
    if job.secrets:
        # Ray turns its public `worker_process_setup_hook` into this variable only within the job, which is too late for
        # the process that starts the job's command.
        variables[WORKER_PROCESS_SETUP_HOOK_ENV_VAR] = f"{adopt_secrets.__module__}.{adopt_secrets.__name__}"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "job.zip")
        write_archive(archive, job.root, job.folder, job.paths, job.secrets)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return client.submit_job(
                    entrypoint=job.entrypoint,
                    submission_id=next(candidate for candidate in candidates if candidate not in taken),
                    runtime_env={"working_dir": str(archive), "env_vars": variables},
                    metadata={SWEEP_KEY: job.name, STORAGE_KEY: job.storage},
                )
            except RuntimeError as error:
                if "No available agent" not in str(error) or time.monotonic() > deadline:
                    raise CltRayError(f"the cluster did not accept the job: {error}") from error
                time.sleep(RETRY_SECONDS)


def follow(client: JobSubmissionClient, submission_id: str, show: Callable[[str], None]) -> JobDetails:
    """Passes the log of a job to `show` until the job ends, and returns what Ray knows about the job.

    An interrupted connection is opened again, and the log continues where it was.

    Raises:
        CltRayError: There is no such job, or the job server does not answer for OUTAGE_SECONDS.
    """
    import aiohttp

    shown, answered = 0, time.monotonic()

    async def tail() -> None:
        nonlocal shown
        skip = shown
        async for text in client.tail_job_logs(submission_id):
            fresh, skip = text[skip:], max(0, skip - len(text))
            shown += len(fresh)
            show(fresh)

    while True:
        try:
            if client.get_job_info(submission_id):
                answered = time.monotonic()
            asyncio.run(tail())
            job = client.get_job_info(submission_id)
            if job.status.is_terminal():
                return job
        # The client raises RuntimeError for every answer that is not a success, and for a lost connection.
        except (RuntimeError, OSError, aiohttp.ClientError) as error:
            if "does not exist" in str(error) or time.monotonic() > answered + OUTAGE_SECONDS:
                raise CltRayError(f"the job {submission_id} cannot be followed: {error}") from error
        time.sleep(RETRY_SECONDS)


def _headers() -> dict[str, str]:
    headers: dict[str, str] = json.loads(os.environ.get("RAY_JOB_HEADERS", "{}"))
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser()
    token = os.environ.get("RAY_AUTH_TOKEN") or (file.read_text().strip() if file.is_file() else "")
    if token and os.environ.get("RAY_AUTH_MODE") != "disabled":
        headers.setdefault("Authorization", f"Bearer {token}")
    return headers
