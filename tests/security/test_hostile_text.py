"""Text from rows, models and scores files cannot command a terminal. `tests/report` has the same for the page."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from clt_ray.analysis.reference import reference_scores
from clt_ray.cli import main
from clt_ray.opened import open_sweep
from clt_ray.store import ErrorRecord, StatusDocument
from clt_ray.verbs.terminal import escaped, plain
from tests.support.local_rows import math_root
from tests.support.sweeps import sweep, write

HOSTILE = "[/red][bold]\x1b]0;title\x07\x1b[2J\x9b31m\r‮txet[link=http://127.0.0.1]x[/link]"
COMMANDS = ("\x1b", "\x07", "\x9b", "\r", "‮")


def test_control_characters_become_visible() -> None:
    assert plain("a\tb\nc") == "a\tb\nc"
    assert plain("日本語 ñ") == "日本語 ñ"
    assert not set(COMMANDS) & set(plain(HOSTILE))
    assert plain("\x1b[2J") == "\\x1b[2J"
    assert escaped("[red]x") == "\\[red]x"


def test_rows_with_commands_are_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = math_root(tmp_path / "rows")
    for path in root.rglob("*.jsonl"):
        rows = [json.loads(line) | {"question": f"{HOSTILE} {line}"} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = write(tmp_path / "sweep.yaml", sweep(data={"math": {"root": str(root)}}))
    main(["data", file])
    shown = capsys.readouterr().out
    assert "[/red][bold]\\x1b]0;title" in shown.replace("\n", "")
    assert not any(command in shown for command in COMMANDS)


def test_the_error_of_a_run_is_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "sweep.yaml", sweep())
    opened = open_sweep(file, storage=str(tmp_path / "store"))
    run = opened.runs[0]
    directory = opened.store.run_dir(run.run_id)
    error = ErrorRecord(type="ValueError", message=HOSTILE, permanent=True)
    status = StatusDocument(
        state="failed", attempt=1, updated=0.0, stage="train", step=1, total_steps=run.steps, error=error
    )
    directory.write_status(status)
    assert main(["status", file, "--storage", str(tmp_path / "store")]) == 1
    shown = capsys.readouterr().out
    assert "\\x1b" in shown and not any(command in shown for command in COMMANDS)


def test_names_in_a_scores_file_are_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = reference_scores()
    model = scores["model"].iloc[0]
    frame: pd.DataFrame = scores.assign(
        model=scores["model"].where(scores["model"] != model, HOSTILE), run_id=scores["run_id"].astype(str) + HOSTILE
    )
    frame.to_csv(tmp_path / "scores.csv", index=False)
    main(["advise", "--task", "math", "--model", HOSTILE, "--scores", str(tmp_path / "scores.csv")])
    captured = capsys.readouterr()
    assert captured.out + captured.err
    assert not any(command in captured.out + captured.err for command in COMMANDS)
