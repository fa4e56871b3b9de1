"""`clt-ray submit` to a real Ray head that requires its authentication token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clt_ray
from clt_ray.errors import CltRayError, ConfigurationError
from clt_ray.orchestration.submission import Job, follow, job_server, living, start
from clt_ray.verbs.submit import SETTINGS
from tests.support.clusters import Cluster, cluster
from tests.support.local_rows import math_root
from tests.support.sweeps import sweep, write

pytestmark = pytest.mark.serial

TOKEN = "cluster-token-0123456789abcdef"
SECRET = "planted-9f8e7d"


class Submitting:
    """A cluster, and the environment of commands that have its token."""

    def __init__(self, started: Cluster, folder: Path) -> None:
        self.address = started.dashboard
        self.folder = folder
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}

    def clt_ray(self, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clt_ray", *arguments, "--address", self.address]
        # RAY_ADDRESS must not overrule --address.
        settings = os.environ | self.environment | {"RAY_ADDRESS": "http://127.0.0.1:9"} | environment
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env=settings, cwd=folder)


@pytest.fixture(scope="module")
def submitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Submitting]:
    folder = tmp_path_factory.mktemp("r")
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_TOKEN_PATH": "/nonexistent"}
    with cluster(folder, cpus=2, dashboard=True, environment=environment) as started:
        yield Submitting(started, folder)


@pytest.fixture
def token(submitting: Submitting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


def job(folder: Path, name: str, program: str, secrets: dict[str, str] | None = None) -> Job:
    """A job that executes a Python program."""
    file = folder / "program.py"
    file.write_text(program)
    settings = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60", "SETTING": "shown"}
    return Job(name, "", f"{sys.executable} program.py", folder, folder, [file], settings, secrets or {})


def test_a_sweep_runs_and_its_command_line_holds_no_secret(submitting: Submitting, tmp_path: Path) -> None:
    math_root(tmp_path / "study" / "rows")
    document = sweep(name="submitted", grid={"samples_per_language": [0]}, data={"math": {"root": "rows"}})
    write(tmp_path / "study" / "sweep.yaml", document)
    arguments = ["submit", "study/sweep.yaml", "--storage", str(tmp_path / "store"), "--forward", "HF_TOKEN"]
    arguments += ["--max-concurrent", "1", "--stop-at-plateau"]
    uri = f"http://user:{SECRET}@127.0.0.1:9"
    result = submitting.clt_ray(
        *arguments,
        "--tracking-uri",
        uri,
        folder=tmp_path,
        HF_TOKEN=SECRET,
        AWS_SECRET_ACCESS_KEY=SECRET,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "job submitted: clt-ray run study/sweep.yaml --storage" in result.stdout
    assert "--max-concurrent 1 --stop-grace 120 --stop-at-plateau\n" in result.stdout
    assert "1 of 1 runs finished" in result.stdout
    assert len(list((tmp_path / "store").glob("runs/*/result.json"))) == 1
    assert SECRET not in result.stdout + result.stderr
    assert "not forwarded: AWS_SECRET_ACCESS_KEY;" in result.stdout
    attached = submitting.clt_ray("submit", "study/sweep.yaml", "--attach", "submitted", folder=tmp_path)
    assert attached.returncode == 0 and "1 of 1 runs finished" in attached.stdout
    again = submitting.clt_ray(*arguments, folder=tmp_path, HF_TOKEN=SECRET)
    assert again.returncode == 0 and "job submitted-2: clt-ray" in again.stdout and "nothing to do" in again.stdout


def test_secrets_reach_the_job_and_nothing_else(submitting: Submitting, token: None, tmp_path: Path) -> None:
    program = (
        "import os, ray; ray.init(); probe = ray.remote(lambda: os.environ['PLANTED'][::-1]); "
        "print(os.environ['PLANTED'][::-1], ray.get(probe.remote()), os.environ['SETTING'])"
    )
    text: list[str] = []
    with job_server(submitting.address) as client:
        submission_id = start(client, job(tmp_path, "secret", program, {"PLANTED": SECRET}))
        assert follow(client, submission_id, text.append).status.value == "SUCCEEDED", "".join(text)
        known = client.get_job_info(submission_id).model_dump_json()
    assert f"{SECRET[::-1]} {SECRET[::-1]} shown" in "".join(text)
    assert SECRET not in known
    holders = [path for path in submitting.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert {path.name for path in holders} <= {".clt-ray-secrets.json"} and holders
    assert all(path.stat().st_mode & 0o77 == 0 for path in holders)


def test_a_job_is_found_followed_from_the_start_and_stopped_gently(
    submitting: Submitting, token: None, tmp_path: Path
) -> None:
    program = """
import signal, sys, threading
stopped = threading.Event()
def stop(*_):
    print("checkpoint written")
    sys.exit(3)
signal.signal(signal.SIGINT, stop)
print("first line")
while True:
    stopped.wait(0.1)
"""
    waiting = threading.Event()
    text: list[str] = []

    def show(piece: str) -> None:
        text.append(piece)
        if "first line" in "".join(text) and not waiting.is_set():
            waiting.set()
            client.stop_job(submission_id)

    with job_server(submitting.address) as client:
        submission_id = start(client, job(tmp_path, "long", program))
        found = living(client, "long", "")
        assert found is not None and found.submission_id == submission_id
        assert living(client, "long", "gs://elsewhere") is None
        ended = follow(client, submission_id, show)
        assert ended.status.value == "STOPPED"
        assert "first line" in "".join(text) and "checkpoint written" in "".join(text)
        assert living(client, "long", "") is None


@pytest.mark.slow
def test_a_stopped_sweep_is_incomplete_and_continues(submitting: Submitting, token: None, tmp_path: Path) -> None:
    training = {"epochs": 200, "eval_every": 50}
    file = write(tmp_path / "sweep.yaml", sweep(name="stopped", grid={"samples_per_language": [0]}, training=training))
    opened = clt_ray.open_sweep(file, storage=str(tmp_path / "store"))
    submission = clt_ray.submit(opened, clt_ray.SubmitOptions(address=submitting.address, no_wait=True))
    run, pause = opened.runs[0], threading.Event()
    with job_server(submitting.address) as client:
        while (status := opened.store.run_dir(run.run_id).status()) is None or status.stage != "train":
            assert not client.get_job_status(submission.submission_id).is_terminal()
            pause.wait(0.2)
        client.stop_job(submission.submission_id)
        log: list[str] = []
        ended = follow(client, submission.submission_id, log.append)
    assert ended.status.value == "STOPPED", "".join(log)
    # Ray kills what has not ended within the grace, and then nothing is printed.
    assert "asking 1 runs to write a checkpoint" in "".join(log)
    assert "interrupted; the same command continues" in "".join(log)
    assert list(tmp_path.glob("store/runs/*/checkpoints/*/COMPLETE.json"))
    assert clt_ray.plan(opened).cells[0].action in ("run", "resume")


def test_submitting_again_follows_the_living_job(submitting: Submitting, token: None, tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep(name="again"))
    with job_server(submitting.address) as client:
        submission_id = start(client, job(tmp_path, "again", "import time; time.sleep(600)"))
    result = submitting.clt_ray("submit", file, "--no-wait", "--max-concurrent", "3", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"{submission_id} executes this sweep already; it keeps its options" in result.stdout
    assert f"--attach {submission_id}" in result.stdout
    with job_server(submitting.address) as client:
        assert client.stop_job(submission_id)


def test_the_exit_status_is_that_of_the_job(submitting: Submitting, tmp_path: Path) -> None:
    document = sweep(name="too-large", hardware={"accelerator": "CPU", "cpus_per_worker": 1000})
    result = submitting.clt_ray("submit", write(tmp_path / "s.yaml", document), folder=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "too-large: FAILED" in result.stdout


def test_a_command_without_the_token_is_refused(submitting: Submitting, tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep())
    for wrong in ("", "another-token-0123456789"):
        result = submitting.clt_ray("submit", file, folder=tmp_path, RAY_AUTH_TOKEN=wrong, HOME=str(tmp_path))
        assert result.returncode == 2 and "the job server requires the cluster's token" in result.stderr
        assert TOKEN not in result.stdout + result.stderr


def test_the_token_may_be_in_the_file_where_ray_keeps_it(submitting: Submitting, tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep())
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(f"{TOKEN}\n")
    arguments = ("submit", file, "--attach", "no-such-job")
    result = submitting.clt_ray(*arguments, folder=tmp_path, RAY_AUTH_TOKEN="", HOME=str(tmp_path))
    assert result.returncode == 1 and "no-such-job cannot be followed" in result.stderr


def test_the_documentation_names_what_is_forwarded() -> None:
    page = (Path(__file__).parents[2] / "docs" / "submit.md").read_text("utf-8")
    listed = page.split("**Settings**")[1].split("* **Secrets**")[0].split("forwarded:")[1]
    assert tuple(re.findall(r"`([^`]+)`", listed)) == SETTINGS


def test_a_job_that_does_not_exist(submitting: Submitting, token: None) -> None:
    with job_server(submitting.address) as client, pytest.raises(CltRayError, match="cannot be followed"):
        follow(client, "no-such-job", print)


def test_an_address_without_a_job_server() -> None:
    with pytest.raises(ConfigurationError, match="no job server answers"), job_server("http://127.0.0.1:9"):
        pass


def test_a_job_that_cannot_work_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "sweep.yaml", sweep())
    nowhere = "http://127.0.0.1:9"

    def problem(*, storage: str | None = None, **options: Any) -> str:
        with pytest.raises(ConfigurationError) as caught:
            clt_ray.submit(
                clt_ray.open_sweep(file, storage=storage), clt_ray.SubmitOptions(**{"address": nowhere, **options})
            )
        return str(caught.value)

    assert "'runs': is relative" in problem(storage="runs")
    assert "no environment variable has this name" in problem(forward=["NOT_SET"])
    assert "is needed" in problem(address=None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://user:{SECRET}@db/mlflow")
    message = problem()
    assert "--forward MLFLOW_TRACKING_URI sends it privately" in message and SECRET not in message
