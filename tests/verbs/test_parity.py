"""The command line and the Python API are one thing: a verb's JSON is the result of its function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clt_ray
from clt_ray.cli import VERBS, main
from tests.support.judged_runs import judged_sweep
from tests.support.run_dirs import Training
from tests.support.sweeps import sweep, write

Opened = clt_ray.OpenSweep


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A sweep with a finished, a failed and a waiting run of made-up numbers."""
    folder = tmp_path_factory.mktemp("parity")
    document = sweep(grid={"samples_per_language": [0, 4, 8]}, training={"eval_every": 10})
    made = clt_ray.open_sweep(write(folder / "sweep.yaml", document), storage=str(folder / "store"))
    first, second, _ = made.runs
    Training(made.store, first).advance(first.steps).finish()
    Training(made.store, second).advance(5).fail()
    return made


FUNCTIONS: dict[str, Callable[[Opened], Any]] = {
    "validate": lambda sweep: clt_ray.validate(sweep).to_json(),
    "data": lambda sweep: clt_ray.summarize_data(sweep).to_json(),
    "plan": lambda sweep: clt_ray.plan(sweep).to_json(),
    "status": lambda sweep: clt_ray.status(sweep).to_json(),
    "best": lambda sweep: clt_ray.best(sweep).to_json(),
    "clean": lambda sweep: clt_ray.clean(sweep).to_json(),
}


@pytest.mark.parametrize("verb", FUNCTIONS)
def test_json_of_a_verb_is_the_result_of_its_function(
    verb: str, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = [] if verb in ("validate", "data") else ["--storage", opened.locations.storage]
    main([verb, opened.file, "--json", *storage])
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(FUNCTIONS[verb](opened)))


def test_json_of_judge_is_the_result_of_its_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {
        "CLT_RAY_JUDGE_MODEL": "some/judge",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": "x",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    judged = judged_sweep(tmp_path).sweep
    options = ["--storage", judged.locations.storage, "--tracking-uri", judged.locations.tracking_uri]
    assert main(["judge", judged.file, "--dry-run", "--json", *options]) == 0
    outcome = clt_ray.judge(judged, clt_ray.JudgeOptions(dry_run=True))
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(outcome.to_json()))


def test_json_of_advise_is_the_result_of_its_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--task", "math", "--model", "aya-23-7b", "--json"]) == 0
    advice = clt_ray.advise(clt_ray.Question(task="math", model="aya-23-7b"))
    assert json.loads(capsys.readouterr().out) == advice.to_json()


def test_every_verb_is_a_public_function() -> None:
    names = {"data": "summarize_data"}
    for verb in (verb for verbs in VERBS.values() for verb in verbs):
        function = getattr(clt_ray, names.get(verb, verb))
        assert callable(function) and function.__doc__
    assert set(clt_ray.__all__) <= set(dir(clt_ray))


def test_the_public_functions_stay_functions_once_they_were_used(tmp_path: Path, opened: Opened) -> None:
    """A subpackage of a function's name would replace it as soon as something imports the subpackage."""
    reference = clt_ray.ReportOptions(reference=True, out=str(tmp_path))
    assert clt_ray.report(options=reference).is_file()
    assert callable(clt_ray.report) and callable(clt_ray.judge) and callable(clt_ray.plan)
