"""From a sweep that measures gradient agreement, through its runs and MLflow, to tables and figures."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from mlflow import MlflowClient

from clt_ray.analysis import mechanisms as measured
from clt_ray.evidence import mechanisms, run_logs
from clt_ray.html_report.figures import mechanism_exhibits
from clt_ray.html_report.sections import sections
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.pipeline import execute
from clt_ray.tracking import SweepTracker
from clt_ray.training.gradient_agreement import BUCKETS, PROBE_ROWS
from tests.support.sweeps import sweep, write

MIXED = "summarization+math"
NAME = "mechanisms"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> OpenSweep:
    """Two tasks mixed and each alone; the agreement is measured in all three."""
    folder = tmp_path_factory.mktemp("mechanisms")
    document = sweep(
        name=NAME,
        grid={"task": ["math", "summarization", MIXED], "samples_per_language": [8]},
        training={"epochs": 1, "gradient_agreement_every": 2},
        evaluation={"samples_per_language": 3, "max_new_tokens": 8},
    )
    opened = open_sweep(write(folder / "sweep.yaml", document), storage=str(folder / "store"))
    for run in opened.runs:
        assert execute(run, opened.store) == "finished"
    return opened


def test_mlflow_shows_every_cosine_once(finished: OpenSweep, tmp_path: Path) -> None:
    runs, uri = finished.runs, f"sqlite:///{tmp_path}/mlflow.db"
    for _ in range(2):
        SweepTracker(uri, NAME, finished.store).sync(runs)
    client = MlflowClient(uri)
    (mixed,) = (run for run in runs if run.task == MIXED)
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    (child,) = client.search_runs([experiment.experiment_id], f"tags.`clt.run_id` = '{mixed.run_id}'")
    points = finished.store.run_dir(mixed.run_id).metrics("interference")
    assert [point.step for point in points] == [2, 4, 6, 8]
    for name in ("interference/summarization.en/math.ja", "interference/math.en/math.en", "interference/math.es/norm"):
        history = client.get_metric_history(child.info.run_id, name)
        assert {point.step: point.value for point in history} == {point.step: point.metrics[name] for point in points}
        assert len(history) == len(points)


def test_finished_runs_become_logs(finished: OpenSweep) -> None:
    logs = {log.mixture: log for log in run_logs([finished, finished])}
    assert set(logs) == {"math", "summarization", MIXED} and len(run_logs([finished, finished])) == 3
    runs = {run.task: run for run in finished.runs}
    for mixture, log in logs.items():
        assert (log.run_id, log.train_rows) == (runs[mixture].run_id, runs[mixture].train_rows)
        assert log.task_rows(runs[mixture].steps) == runs["math"].train_rows


def test_their_tables_compare_the_mixed_run_with_its_twins(finished: OpenSweep) -> None:
    tables = mechanisms([finished])
    mixed = tables.trajectories[tables.trajectories["setting"] == "multi"]
    assert mixed["alone_run_id"].nunique() == 2 and (mixed["alone_run_id"] != "").all()
    # Both reach the same rows of the task at their ends.
    last = mixed[mixed["step"] == mixed["step"].max()]
    assert np.isfinite(last["difference"]).all() and len(last) == 2 * 4
    agreement = tables.gradient_agreement[tables.gradient_agreement["setting"] == "multi"].set_index("relation")
    assert agreement["n"].to_dict() == {"within task": 6, "within language": 3, "across both": 6}
    assert np.isfinite(agreement[["cosine", "low", "high"]].to_numpy()).all()
    assert set(tables.pulls["exposure"]) == {"english", "seen"} and len(tables.pulls) == 4
    assert tables.pulls[["cosine", "loss_difference", "interference"]].notna().all().all()


def test_their_figures_are_whole(finished: OpenSweep) -> None:
    exhibits = mechanism_exhibits(mechanisms([finished]))
    assert [exhibit.title for exhibit in exhibits] == [
        "Summarization: validation loss with mixed tasks", "Math: validation loss with mixed tasks",
        "Gradient agreement of tasks and languages",
    ]  # fmt: skip
    assert len({exhibit.name for exhibit in exhibits}) == 3
    texts = ["".join(ElementTree.fromstring(exhibit.svg).itertext()) for exhibit in exhibits]
    assert all(name in texts[1] for name in ("English", "Korean", "mixed", "single", "rows of the task"))
    assert all(name in texts[2] for name in ("Summarization", "Math", "ja"))


def test_their_section_states_what_the_tables_show(finished: OpenSweep) -> None:
    tables = mechanisms([finished])
    (section,) = sections(vars(tables))[-1:]
    assert section.statement.startswith("Of 6 validation losses in languages of the training data, ")
    assert "gradients of one task in two languages have a mean cosine similarity of" in section.statement
    assert [table.name for table in section.tables] == ["loss_differences", "gradient_agreement", "association"]
    frames = {name for name, frame in vars(tables).items() if len(frame)}
    for table in section.tables:
        assert table.name in frames and table.rows and all(len(row) == len(table.heads) for row in table.rows)
    places = mechanism_exhibits(tables)
    assert all(place.table in frames and place.section == section.name for place in places)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.9, -0.1, "lose less"), (0.1, 0.9, "lose more"), (-0.5, 0.5, "4 cases do not suffice")],
)
def test_the_section_concludes_no_more_than_the_interval(
    finished: OpenSweep, low: float, high: float, words: str
) -> None:
    tables = mechanisms([finished])
    changed = replace(tables, association=tables.association.assign(low=low, high=high))
    (section,) = sections(vars(changed))[-1:]
    assert words in section.statement.rpartition(". ")[2]


def test_runs_without_measurements_have_trajectories_only(finished: OpenSweep) -> None:
    logs = [replace(log, interference=()) for log in run_logs([finished])]
    tables = measured.mechanisms(logs)
    assert tables.gradient_pairs.empty and tables.pulls.empty and len(tables.trajectories)
    assert [exhibit.name.partition("_")[0] for exhibit in mechanism_exhibits(tables)] == ["trajectories"] * 2
    assert [section.statement != "" for section in sections(vars(tables)) if section.name == "mechanisms"] == [True]
    nothing = measured.mechanisms([])
    assert mechanism_exhibits(nothing) == [] and all(frame.empty for frame in vars(nothing).values())
    assert "mechanisms" not in {section.name for section in sections(vars(nothing))}


def test_the_program_of_the_page_runs(finished: OpenSweep, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = (Path(__file__).parents[1] / "docs" / "mechanisms.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setenv("CLT_RAY_STORAGE", finished.locations.storage)
    names: dict[str, Any] = {}
    exec(compile(program.replace("sweeps/smoke.yaml", finished.file), "docs/mechanisms.md", "exec"), names)
    assert capsys.readouterr().out.count("run_id") == 3
    for table in vars(names["found"]).values():
        assert len(table)


def test_the_page_names_what_is_recorded(finished: OpenSweep) -> None:
    page = (Path(__file__).parents[1] / "docs" / "mechanisms.md").read_text("utf-8")
    (mixed,) = (run for run in finished.runs if run.task == MIXED)
    point = finished.store.run_dir(mixed.run_id).metrics("interference")[0]
    documented = set(re.findall(r"^\| `((?:interference|perf)/[^`]+)` \|", page, re.MULTILINE))
    assert len(documented) == 4 and documented <= set(point.metrics)
    assert f"{BUCKETS:,} numbers" in page and f"first {PROBE_ROWS} of its validation rows" in page
