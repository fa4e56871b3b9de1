"""Submits a command as a Ray job, and follows jobs: what `ray job submit` does, with this project's settings."""

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
from typing import TYPE_CHECKING, Any

from clt_ray.errors import CltRayError, ConfigurationError, Problem
from clt_ray.orchestration.upload import adopt_secrets, write_archive

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails
    from ray.job_submission import JobSubmissionClient

SWEEP_KEY, STORAGE_KEY = "clt_ray_sweep", "clt_ray_storage"
"""Metadata of a job, by which a job of the same sweep in the same storage is found."""

START_SECONDS = 60.0
"""Time that a starting cluster has to accept a job: its job server answers before its agent can start jobs."""

OUTAGE_SECONDS = 600.0
"""Time without an answer from the job server after which following a job is given up. The job is not affected."""

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
    """Local folder that becomes the working directory of the job; see `write_archive`."""
    folder: Path
    paths: Sequence[Path]
    settings: Mapping[str, str]
    """Environment variables that may be shown."""
    secrets: Mapping[str, str] = field(repr=False)


@contextlib.contextmanager
def job_server(address: str) -> Iterator[JobSubmissionClient]:
    """Connects to a cluster's job server, such as http://127.0.0.1:8265, for the length of the block.

    Ray's authentication token is sent where there is one: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, or
    ~/.ray/auth_token, unless RAY_AUTH_MODE is `disabled`; as well as the headers in RAY_JOB_HEADERS (JSON).

    Raises:
        ConfigurationError: No job server answers, or it refuses the token.
    """
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    def refused(message: str, remedy: str) -> ConfigurationError:
        return ConfigurationError([Problem("--address", "", address, message, remedy)])

    for module in ("dashboard_sdk", "job.sdk"):
        logging.getLogger(f"ray.dashboard.modules.{module}").setLevel(logging.WARNING)
    # Ray lets this variable overrule the argument, so a variable of the user would overrule the option.
    before = os.environ.get("RAY_API_SERVER_ADDRESS")
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    try:
        yield JobSubmissionClient(address, headers=_headers())
    except AuthenticationError as error:
        remedy = "set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to the file of the token"
        raise refused("the job server requires the cluster's token", remedy) from error
    except ConnectionError as error:
        remedy = "give the address of the dashboard, such as http://127.0.0.1:8265 behind `ray dashboard cluster.yaml`"
        raise refused("no job server answers", remedy) from error
    finally:
        os.environ.pop("RAY_API_SERVER_ADDRESS")
        if before is not None:
            os.environ["RAY_API_SERVER_ADDRESS"] = before


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
    candidates = (job.name if number == 1 else f"{job.name}-{number}" for number in range(1, len(taken) + 2))
    submission_id = next(candidate for candidate in candidates if candidate not in taken)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "job.zip")
        write_archive(archive, job.root, job.folder, job.paths, job.secrets)
        environment: dict[str, Any] = {"working_dir": str(archive), "env_vars": dict(job.settings)}
        if job.secrets:
            # Ray turns its public `worker_process_setup_hook` into this variable only within the job, which is too late
            # for the process that starts the job's command.
            hook = f"{adopt_secrets.__module__}.{adopt_secrets.__name__}"
            environment["env_vars"][WORKER_PROCESS_SETUP_HOOK_ENV_VAR] = hook
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                metadata = {SWEEP_KEY: job.name, STORAGE_KEY: job.storage}
                return client.submit_job(
                    entrypoint=job.entrypoint, submission_id=submission_id, runtime_env=environment, metadata=metadata
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

    shown = 0
    answered = time.monotonic()

    async def tail() -> None:
        nonlocal shown, answered
        skip = shown
        async for text in client.tail_job_logs(submission_id):
            answered = time.monotonic()
            fresh, skip = text[skip:], max(0, skip - len(text))
            if fresh:
                shown += len(fresh)
                show(fresh)

    while True:
        try:
            job = client.get_job_info(submission_id)
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
