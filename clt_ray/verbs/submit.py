"""`clt-ray submit`: executes a sweep as a Ray job on a cluster, and follows it."""

from __future__ import annotations

import fnmatch
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.orchestration.submission import Job, follow, job_server, living, start
from clt_ray.redaction import redacted
from clt_ray.sweep.document import read_document
from clt_ray.sweep.overrides import apply_overrides
from clt_ray.sweep.sections import is_path
from clt_ray.verbs.options import Overrides, Pilot, Storage, SweepFile, TrackingUri, flag, next_command, value_option
from clt_ray.verbs.run import FAILED, INCOMPLETE, RunOptions
from clt_ray.verbs.terminal import argument_error

SETTINGS = (
    "CLT_RAY_*",
    "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_HTTP_REQUEST_*", "MLFLOW_S3_ENDPOINT_URL",
    "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "HF_DATASETS_OFFLINE",
    "GOOGLE_CLOUD_PROJECT", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "RAY_TRAIN_*", "TUNE_*", "OPENAI_BASE_URL",
)  # fmt: skip
"""Environment variables that a job gets from the command's environment: none of them is meant for a secret."""

CREDENTIALS = (
    "HF_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET", "OPENAI_API_KEY",
)  # fmt: skip
"""Environment variables with secrets that a sweep may need; a message names those that are set and not forwarded."""

STOP_GRACE_SECONDS = 120
"""Time that a stopped job has to write checkpoints; Ray's own default is 3 seconds."""

ADDRESS_HELP = "Job server, such as http://127.0.0.1:8265 (default: $RAY_API_SERVER_ADDRESS)."
JobServer = Annotated[str | None, value_option("--address", "URL", ADDRESS_HELP)]
FORWARD_HELP = "Give the job this environment variable, privately; may be repeated."
Forward = Annotated[list[str] | None, value_option("--forward", "NAME", FORWARD_HELP)]
NoWait = Annotated[bool, flag("--no-wait", "Return once the job is submitted.")]
ATTACH_HELP = "Follow this job instead of submitting one."
Attach = Annotated[str | None, value_option("--attach", "ID", ATTACH_HELP)]
GRACE_HELP = f"Time to write checkpoints when the job is stopped (default: {STOP_GRACE_SECONDS})."
StopGrace = Annotated[int, value_option("--stop-grace", "SECONDS", GRACE_HELP, min=1)]


@dataclass(frozen=True)
class SubmitOptions(RunOptions):
    """How a sweep is submitted. The options of `run`, beside the address, are passed on to it."""

    address: JobServer = None
    forward: Forward = None
    """Names of environment variables with secrets that the job needs, such as HF_TOKEN."""
    no_wait: NoWait = False
    attach: Attach = None
    stop_grace: StopGrace = STOP_GRACE_SECONDS
    """Seconds between the signal that stops a job (SIGINT, as from Ctrl-C) and its end by force."""


@dataclass(frozen=True)
class Submission:
    """A job on a cluster, as `submit` leaves it."""

    submission_id: str
    address: str
    state: str
    """Ray's word: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    exit_code: int
    """Of `clt-ray run` in the job where it was followed to its end: 1 where that is unknown, 3 where it was stopped. 0
    for a job that is not followed."""
    message: str = ""
    """Why the job failed, in Ray's words."""


def submit(
    sweep: OpenSweep,
    options: SubmitOptions = SubmitOptions(),
    *,
    announce: Callable[[str], None] = lambda text: None,
    show: Callable[[str], None] = lambda text: None,
) -> Submission:
    """Executes a sweep as a Ray job; follows the job that executes it already, where there is one.

    `announce` is called with lines about the submission, `show` with pieces of the job's log.

    Raises:
        ConfigurationError: The job cannot work as it is described, or no job server answers at the address.
        CltRayError: The cluster does not accept the job, or it cannot be followed.
    """
    address = options.address or os.environ.get("RAY_API_SERVER_ADDRESS")
    if not address:
        raise argument_error("submit", "--address", None, "is needed", "such as --address http://127.0.0.1:8265")
    job = _job(sweep, options)
    with job_server(address) as client:
        current = None if options.attach else living(client, job.name, job.storage)
        submission_id = options.attach or (current and current.submission_id)
        if submission_id is None:
            submission_id = start(client, job)
            announce(f"submitted {submission_id}: {job.entrypoint}")
        elif current is not None:
            other = "" if current.entrypoint == job.entrypoint else f"; it keeps its options: {current.entrypoint}"
            announce(f"{submission_id} executes this sweep already{other}")
        commands = (f"follow: {next_command(sweep, 'submit')} --address {redacted(address)} --attach {submission_id}",
                    f"stop: ray job stop --address {redacted(address)} {submission_id}")  # fmt: skip
        for line in commands:
            announce(line)
        if options.no_wait:
            state = client.get_job_status(submission_id).value
            return Submission(submission_id, address, state, 0)
        ended = follow(client, submission_id, show)
    unknown = INCOMPLETE if ended.status.value == "STOPPED" else FAILED
    exit_code = 0 if ended.status.value == "SUCCEEDED" else ended.driver_exit_code or unknown
    return Submission(submission_id, address, ended.status.value, exit_code, ended.message or "")


def _job(sweep: OpenSweep, options: SubmitOptions) -> Job:
    """Returns the job of a sweep, which executes `clt-ray run` as it could be typed in the working directory here."""
    here, file = Path.cwd(), Path(sweep.file).absolute()
    paths = [file, *_named_paths(sweep, file)]
    root = Path(os.path.commonpath([here, *(path if path.is_dir() else path.parent for path in paths)]))
    settings, secrets = _environment(options)
    words = _run_words(sweep, options, os.path.relpath(file, here))
    tracking_uri = sweep.locations.tracking_uri
    if "--tracking-uri" in words and redacted(tracking_uri) != tracking_uri:
        # A command line is no place for a password.
        place = words.index("--tracking-uri")
        del words[place : place + 2]
        secrets["MLFLOW_TRACKING_URI"] = tracking_uri
        settings.pop("MLFLOW_TRACKING_URI", None)
    storage = dict(sweep.options).get("--storage") or settings.get("CLT_RAY_STORAGE", "")
    _check_storage(storage, sweep.locations.storage)
    change = [] if here == root else ["cd", str(here.relative_to(root))]
    entrypoint = " && ".join(shlex.join(command) for command in (change, words) if command)
    settings |= {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": str(options.stop_grace)}
    return Job(sweep.name, storage, entrypoint, root, here, paths, settings, secrets)


def _run_words(sweep: OpenSweep, options: RunOptions, file: str) -> list[str]:
    words = shlex.split(next_command(sweep, "run"))
    words[words.index(sweep.file)] = file
    for option in fields(RunOptions):
        value = getattr(options, option.name)
        if option.name == "address" or value == option.default:
            continue
        name = f"--{option.name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        words += [name] if value is True else [word for each in values for word in (name, str(each))]
    return words


def _named_paths(sweep: OpenSweep, file: Path) -> list[Path]:
    """Returns the local files and folders that the sweep names by a relative path; absolute ones are on the cluster."""
    overrides = [value for option, value in sweep.options if option == "--set"]
    document, spec = apply_overrides(read_document(file), overrides), sweep.spec
    named = [(("models", name, "source"), model.source) for name, model in spec.models.items() if is_path(model.source)]
    named += [(("data", task, "root"), source.root) for task, source in spec.data.items() if source.root]
    return [
        Path(os.path.normpath(path))
        for key, path in named
        if "://" not in path and not Path(document.get(*key) or "").expanduser().is_absolute()
    ]


def _environment(options: SubmitOptions) -> tuple[dict[str, str], dict[str, str]]:
    forwarded = options.forward or []
    problems = [
        Problem("clt-ray submit", "--forward", name, "no environment variable has this name", f"export {name}=...")
        for name in forwarded
        if name not in os.environ
    ]
    settings = {
        name: value
        for name, value in os.environ.items()
        if name not in forwarded and any(fnmatch.fnmatchcase(name, pattern) for pattern in SETTINGS)
    }
    problems += [
        Problem("environment", name, redacted(value), "has a password, and the settings of a job can be read by others",
                f"--forward {name} sends it privately")
        for name, value in settings.items()
        if redacted(value) != value
    ]  # fmt: skip
    if problems:
        raise ConfigurationError(problems)
    return settings, {name: os.environ[name] for name in forwarded}


def _check_storage(storage: str, opened: str) -> None:
    if not storage:
        return
    remedy = "give a URI such as gs://BUCKET/clt-runs, or the absolute path of a disk that all nodes share"
    if redacted(opened) != opened:
        raise argument_error("submit", "--storage", storage, "has a password", "put it into the environment; --forward")
    if "://" not in storage and not Path(storage).is_absolute():
        message = "is relative, and the working directory of a job is deleted with the job"
        raise argument_error("submit", "--storage", storage, message, remedy)


def unforwarded(options: SubmitOptions, environment: Mapping[str, str]) -> list[str]:
    """Returns the names of credentials that the environment has and the job does not get."""
    return [name for name in CREDENTIALS if name in environment and name not in (options.forward or [])]


def command(
    sweep: SweepFile,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    overrides: Overrides = None,
    pilot: Pilot = False,
    options: SubmitOptions = SubmitOptions(),
) -> int:
    opened = open_sweep(sweep, overrides=overrides or (), storage=storage, tracking_uri=tracking_uri, pilot=pilot)
    missing = unforwarded(options, os.environ)
    if missing:
        print(f"not forwarded: {', '.join(missing)}; --forward NAME gives one to the job", flush=True)
    try:
        submission = submit(
            opened,
            options,
            announce=lambda line: print(line, flush=True),
            show=lambda text: print(text, end="", flush=True),
        )
    except KeyboardInterrupt:
        print("\nno longer followed; the job goes on", file=sys.stderr)
        return INCOMPLETE
    print(f"{submission.submission_id}: {submission.state}")
    if submission.state == "FAILED" and submission.message:
        print(submission.message, file=sys.stderr)
    return submission.exit_code
