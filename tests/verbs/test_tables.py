"""What the verbs print for people: one row per run at 100 columns, groups as in the plan, no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

import clt_ray
from clt_ray.cli import INCOMPLETE, main
from clt_ray.errors import TornTreeError
from tests.support.run_dirs import Training
from tests.support.sweeps import sweep, write

TASKS = "summarization+instruction+math"


@pytest.fixture
def opened(tmp_path: Path) -> clt_ray.OpenSweep:
    document = sweep(
        grid={"task": ["math", TASKS], "samples_per_language": [0, 200]},
        english_samples=400,
        training={"eval_every": 5},
    )
    return clt_ray.open_sweep(write(tmp_path / "sweep.yaml", document), storage=str(tmp_path / "store"))


def finish_all(opened: clt_ray.OpenSweep) -> None:
    for run in opened.runs:
        Training(opened.store, run).advance(run.steps).finish()


def test_best_prints_one_row_per_run(opened: clt_ray.OpenSweep, capsys: pytest.CaptureFixture[str]) -> None:
    finish_all(opened)
    assert main(["best", opened.file, "--storage", opened.locations.storage]) == 0
    header, *rows = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert len(rows) == len(opened.runs) and max(map(len, [header, *rows])) <= 100
    for run, row in zip(opened.runs, rows, strict=True):
        assert run.task in row and run.run_id[:8] in row


def test_a_shown_prefix_exports_the_run(opened: clt_ray.OpenSweep, tmp_path: Path) -> None:
    finish_all(opened)
    with pytest.raises(TornTreeError, match="never completed"):
        # The made-up run has no weights: the prefix found it, and its tree is missing.
        clt_ray.export(opened.runs[0].run_id[:8], tmp_path / "export", opened.locations.storage)


def test_status_names_the_group_of_the_plan(opened: clt_ray.OpenSweep, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", opened.file, "--storage", opened.locations.storage]) == INCOMPLETE
    assert " none " not in capsys.readouterr().out
    groups = {cell.run.run_id: cell.cell.key.language_group for cell in clt_ray.plan(opened).cells}
    assert {run.run_id: run.language_group for run in clt_ray.status(opened).runs} == groups


def test_no_secret_of_a_tracking_uri_is_shown(opened: clt_ray.OpenSweep, capsys: pytest.CaptureFixture[str]) -> None:
    finish_all(opened)
    arguments = ["--storage", opened.locations.storage, "--tracking-uri", "http://me:s3cret@127.0.0.1:9"]
    assert main(["run", opened.file, *arguments]) == 0
    assert main(["report", opened.file, *arguments]) == 0
    captured = capsys.readouterr()
    assert "nothing to do" in captured.out and "127.0.0.1:9" in captured.out
    assert "s3cret" not in captured.out + captured.err
    reports = Path(opened.locations.storage, "reports")
    assert not [path for path in reports.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
