"""`clt-ray submit`: executes a sweep as a Ray job on a cluster, and follows it."""

from __future__ import annotations

import fnmatch
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.orchestration.submission import Job, follow, job_server, living, start
from clt_ray.redaction import is_secret_name, redacted
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
    "AZURE_STORAGE_ACCOUNT_NAME", "RAY_TRAIN_*", "TUNE_*", "OPENAI_BASE_URL",
)  # fmt: skip
"""Environment variables that a job gets from the command's environment: none of them is meant for a secret."""

FAMILIES = ("AWS_", "AZURE_", "GOOGLE_", "HF_", "MLFLOW_", "OPENAI_")
"""Beginnings of the names of variables that a sweep may need; a message names the secrets that a job does not get."""

STOP_GRACE_SECONDS = 120
"""Time that the runs of a stopped job have to write checkpoints; Ray's own default is 3 seconds."""
ENDING_SECONDS = 30
"""Time after that in which the job ends its processes and says where the sweep is, before Ray ends it by force."""

ADDRESS_HELP = "Job server, such as http://127.0.0.1:8265 (default: $RAY_API_SERVER_ADDRESS)."
FORWARD_HELP = "Give the job this environment variable, privately; may be repeated."
GRACE_HELP = f"Time to write checkpoints when the job is stopped (default: {STOP_GRACE_SECONDS})."
StopGrace = Annotated[int, value_option("--stop-grace", "SECONDS", GRACE_HELP, min=1)]


@dataclass(frozen=True)
class SubmitOptions(RunOptions):
    """How a sweep is submitted. The options of `run`, beside the address, are passed on to it."""

    address: Annotated[str | None, value_option("--address", "URL", ADDRESS_HELP)] = None
    forward: Annotated[list[str] | None, value_option("--forward", "NAME", FORWARD_HELP)] = None
    """Names of environment variables with secrets that the job needs, such as HF_TOKEN."""
    no_wait: Annotated[bool, flag("--no-wait", "Return once the job is submitted.")] = False
    attach: Annotated[str | None, value_option("--attach", "ID", "Follow this job instead of submitting one.")] = None
    stop_grace: StopGrace = STOP_GRACE_SECONDS
    """Time that the runs have to write a checkpoint when the job is stopped, in seconds; it is also that of `run`."""


@dataclass(frozen=True)
class Submission:
    """A job on a cluster, as `submit` leaves it."""

    submission_id: str
    state: str
    """Ray's word: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    exit_code: int
    """Of `clt-ray run` in the job; 1 where that is unknown, 3 for a stopped job, 0 for one that was not followed."""
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
        if current is not None and current.submission_id:
            submission_id = current.submission_id
            other = "" if current.entrypoint == job.entrypoint else f"; it keeps its options: {current.entrypoint}"
            announce(f"{submission_id} executes this sweep already{other}")
        else:
            submission_id = options.attach or start(client, job)
            announce(f"job {submission_id}: {'' if options.attach else job.entrypoint}")
        at = f"--address {redacted(address)}"
        announce(f"follow: {next_command(sweep, 'submit')} {at} --attach {submission_id}")
        announce(f"stop: ray job stop {at} {submission_id}")
        if options.no_wait:
            return Submission(submission_id, client.get_job_status(submission_id).value, 0)
        ended = follow(client, submission_id, show)
    unknown = {"SUCCEEDED": 0, "STOPPED": INCOMPLETE}.get(ended.status.value, FAILED)
    return Submission(submission_id, ended.status.value, ended.driver_exit_code or unknown, ended.message or "")


def _job(sweep: OpenSweep, options: SubmitOptions) -> Job:
    """Returns the job of a sweep, which executes `clt-ray run` as it could be typed in the working directory here."""
    here, file = Path.cwd(), Path(sweep.file).absolute()
    paths = [file, *_named_paths(sweep, file)]
    root = Path(os.path.commonpath([here, *(path if path.is_dir() else path.parent for path in paths)]))
    settings, secrets = _environment(options.forward or [])
    words = shlex.split(next_command(sweep, "run"))
    words[words.index(sweep.file)] = os.path.relpath(file, here)
    tracking_uri = sweep.locations.tracking_uri
    if "--tracking-uri" in words and redacted(tracking_uri) != tracking_uri:
        # A command line is no place for a password.
        place = words.index("--tracking-uri")
        del words[place : place + 2]
        secrets["MLFLOW_TRACKING_URI"] = tracking_uri
        settings.pop("MLFLOW_TRACKING_URI", None)
    for option in fields(RunOptions):
        value, name = getattr(options, option.name), f"--{option.name.replace('_', '-')}"
        if option.name != "address" and value != option.default:
            words += [name] if value is True else [name, str(value)]
    storage = dict(sweep.options).get("--storage") or settings.get("CLT_RAY_STORAGE", "")
    _check_storage(storage, sweep.locations.storage)
    change = "" if here == root else f"cd {shlex.quote(str(here.relative_to(root)))} && "
    patience = options.stop_grace + ENDING_SECONDS
    settings |= {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": str(patience)}
    return Job(sweep.name, storage, change + shlex.join(words), root, here, paths, settings, secrets)


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


def _environment(forwarded: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the settings and the secrets of a job."""
    problems = [
        Problem("clt-ray submit", "--forward", name, "no environment variable has this name", f"export {name}=...")
        for name in forwarded
        if name not in os.environ
    ]
    names = {name for pattern in SETTINGS for name in fnmatch.filter(os.environ, pattern)} - set(forwarded)
    settings = {name: os.environ[name] for name in sorted(names)}
    message = "has a password, and the settings of a job can be read by others"
    problems += [
        Problem("environment", name, redacted(value), message, f"--forward {name} sends it privately")
        for name, value in settings.items()
        if redacted(value) != value
    ]
    if problems:
        raise ConfigurationError(problems)
    return settings, {name: os.environ[name] for name in forwarded}


def _check_storage(storage: str, opened: str) -> None:
    if storage and redacted(opened) != opened:
        raise argument_error("submit", "--storage", storage, "has a password", "put it into the environment; --forward")
    if storage and "://" not in storage and not Path(storage).is_absolute():
        message = "is relative, and the working directory of a job is deleted with the job"
        remedy = "give a URI such as gs://BUCKET/clt-runs, or the absolute path of a disk that all nodes share"
        raise argument_error("submit", "--storage", storage, message, remedy)


def command(
    sweep: SweepFile,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    overrides: Overrides = None,
    pilot: Pilot = False,
    options: SubmitOptions = SubmitOptions(),
) -> int:
    opened = open_sweep(sweep, overrides=overrides or (), storage=storage, tracking_uri=tracking_uri, pilot=pilot)
    known = [name for name in sorted(os.environ) if name.startswith(FAMILIES) and is_secret_name(name)]
    left = [name for name in known if name not in (options.forward or [])]
    if left and not options.attach:
        print(f"not forwarded: {', '.join(left)}; --forward NAME gives one to the job", flush=True)
    try:
        ended = submit(opened, options, announce=partial(print, flush=True), show=partial(print, end="", flush=True))
    except KeyboardInterrupt:
        print("\nno longer followed; the job goes on", file=sys.stderr)
        return INCOMPLETE
    print(f"{ended.submission_id}: {ended.state}")
    if ended.state == "FAILED" and ended.message:
        print(ended.message, file=sys.stderr)
    return ended.exit_code
