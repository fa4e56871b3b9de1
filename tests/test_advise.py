"""The verb `advise`, as a user calls it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from clt_ray.cli import INCOMPLETE, WRONG, app, main
from tests.support.scores import smoke_sweep


def test_the_reference_study_answers_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--task", "math", "--model", "aya-23-7b"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("math with aya-23-7b: ") and "rows in each of es fr ja zh" in shown
    assert "probability of being within 0.010 of the ceiling" in shown
    assert "the next 1,000 rows would add +0.0" in shown
    assert "paper-aya-23-7b-math-all-n5000" in shown
    assert max(len(line) for line in shown.splitlines() if line.startswith(("single", "mixed"))) <= 100


def test_json_has_the_same_answer_without_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    question = ["advise", "--task", "math", "--model", "aya-23-7b", "--target", "0.35", "--setting", "single"]
    assert main([*question, "--json"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    best = told["options"][0]
    assert told["metric"] == "accuracy" and told["reachable"] is True
    assert best["setting"] == "single" and best["reaches_target"] >= 0.8
    assert {"score", "ceiling", "next_thousand", "plateau", "evidence"} <= set(best)


def test_thin_evidence_is_no_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, _ = smoke_sweep()
    path = tmp_path / "scores.csv"
    scores.to_csv(path, index=False)
    question = ["advise", "--task", "math", "--model", "tiny", "--scores", str(path)]
    assert main(question) == INCOMPLETE
    shown = capsys.readouterr().out
    assert "there are too few runs" in shown and "runs that are needed" in shown
    assert main([*question, "--json"]) == INCOMPLETE
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] and told["settling_runs"][0]["model"] == "tiny"


def test_wrong_usage_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    question = ["advise", "--task", "math", "--model", "aya-23-7b"]
    assert main([*question, "--target", "35"]) == WRONG
    assert "--target = 35.0: is outside the range of accuracy" in capsys.readouterr().err
    assert main([*question, "sweeps/smoke.yaml", "--scores", "x.csv"]) == WRONG
    assert "ask of one of the two" in capsys.readouterr().err


def test_a_sweep_without_finished_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = ["advise", "sweeps/smoke.yaml", "--task", "math", "--model", "tiny", "--storage", str(tmp_path)]
    assert main(question) == WRONG
    assert "no run of it is finished" in capsys.readouterr().err


def test_what_the_page_shows_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "advice.md").read_text("utf-8")
    commands = [
        shlex.split(line, comments=True)[1:] for line in page.splitlines() if line.startswith("    clt-ray adv")
    ]
    published = [command for command in commands if "aya-23-7b" in command]
    assert len(commands) == 5 and len(published) == 3
    for command in published:
        assert main(command) == 0
    group: Any = typer.main.get_command(app)
    for verb, *arguments in commands:
        # Parsed only: the page's own sweeps are not there.
        _, command, rest = group.resolve_command(group.context_class(group), [verb, *arguments])
        assert command.make_context(verb, rest).params["task"]
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(program, "docs/advice.md", "exec"), {})
    assert "Plateau(samples=" in capsys.readouterr().out
