"""Every option that a verb accepts has an effect, options without one are refused, and the help reads well."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from clt_ray.cli import VERBS, WRONG, main
from clt_ray.opened import open_sweep
from clt_ray.verbs.options import flattened, next_command
from tests.support.sweeps import sweep, write

ALL_VERBS = [verb for verbs in VERBS.values() for verb in verbs]
SMOKE = "sweeps/smoke.yaml"


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_command_uses_every_parameter(verb: str) -> None:
    command = import_module(f"clt_ray.verbs.{verb}").command
    body = ast.parse(inspect.getsource(command)).body[0]
    assert isinstance(body, ast.FunctionDef)
    used = {node.id for statement in body.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
    assert set(inspect.signature(command).parameters) <= used


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_the_help_of_a_verb_fits_80_columns(verb: str) -> None:
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    command = [sys.executable, "-m", "clt_ray", verb, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert max(map(len, shown.splitlines())) <= 80
    parameters, _ = flattened(import_module(f"clt_ray.verbs.{verb}").command)
    options = [name for parameter in parameters for name in parameter.annotation.__metadata__[0].param_decls or ()]
    assert all(option in shown for option in options)
    assert "--verbose" in shown and f"clt-ray {verb}" in shown


def test_the_help_groups_verbs_by_what_people_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    texts = [text for group, verbs in VERBS.items() for text in (f"─ {group} ─", *verbs.values())]
    places = [shown.index(text) for text in texts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["export", "abc", "folder", "--set", "seeds=[1]"], "--set"),
        (["export", "abc", "folder", "--tracking-uri", "http://127.0.0.1:9"], "--tracking-uri"),
        (["validate", SMOKE, "--storage", "somewhere"], "--storage"),
        (["data", SMOKE, "--storage", "somewhere"], "--storage"),
        (["data", SMOKE, "--tracking-uri", "http://127.0.0.1:9"], "--tracking-uri"),
        (["plan", SMOKE, "--tracking-uri", "http://127.0.0.1:9"], "--tracking-uri"),
        (["status", SMOKE, "--tracking-uri", "http://127.0.0.1:9"], "--tracking-uri"),
        (["report", "--reference", "--set", "seeds=[1]"], "--set"),
        (["report", "--reference", "--tracking-uri", "http://127.0.0.1:9"], "--tracking-uri"),
        (["report", "--reference", "--storage", "somewhere", "--out", "elsewhere"], "--storage"),
        (["advise", "--task", "math", "--model", "aya-23-7b", "--set", "seeds=[1]"], "--set"),
        (["advise", "--task", "math", "--model", "aya-23-7b", "--storage", "somewhere"], "--storage"),
        (["validate", "--schema", "--json"], "--schema"),
        (["run", SMOKE, "--max-concurrent", "0"], "--max-concurrent"),
    ],
    ids=" ".join,
)
def test_an_option_without_effect_is_refused(
    arguments: list[str], option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == WRONG
    assert option in capsys.readouterr().err


def test_messages_repeat_the_options_that_the_next_verb_accepts(tmp_path: Path) -> None:
    file = write(tmp_path / "sweep.yaml", sweep())
    opened = open_sweep(
        file, overrides=["seeds=[0, 1]"], storage="/runs", tracking_uri="http://me:secret@127.0.0.1:9", pilot=True
    )
    set_option = "--set 'seeds=[0, 1]'"
    assert next_command(opened, "status") == f"clt-ray status {file} --pilot {set_option} --storage /runs"
    assert next_command(opened, "data") == f"clt-ray data {file} {set_option}"
    report = next_command(opened, "report")
    assert report.startswith(f"clt-ray report {file} {set_option} --storage /runs --tracking-uri ")
    assert "secret" not in report
