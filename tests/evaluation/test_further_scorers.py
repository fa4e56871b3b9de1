"""Scorers of other packages: of single outputs beside a task's own, and of whole checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clt_ray.errors import RunError
from clt_ray.evaluation.evaluate import checkpoint_scores, score_row
from clt_ray.evaluation.scorers import scorer
from clt_ray.scorers import SCORERS, CheckpointScore, CheckpointScorer, ItemScorer, declared_metrics
from clt_ray.sweep import RunSpec
from clt_ray.tasks import Metric
from tests.support.sweeps import runs_of

LENGTH = ItemScorer(
    "length", (Metric("length", "length", high=1e6),), lambda output, *_: {"length": float(len(output))}, ("math",)
)
WRONG = ItemScorer("wrong", (Metric("other", "other"),), lambda *_: {"mistake": 1.0})


def declare(patch: pytest.MonkeyPatch, *scorers: ItemScorer | CheckpointScorer) -> None:
    patch.setattr(SCORERS, "_all", {scorer.name: scorer for scorer in scorers})


def run_with(*scorers: str) -> RunSpec:
    grid = {"model": "tiny", "task": "math", "language_group": "all", "samples_per_language": [8]}
    (run,) = runs_of(grid=grid, evaluation={"scorers": list(scorers)}, data={"math": {"bundled": True}})
    return run


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    scorer.cache_clear()
    yield
    scorer.cache_clear()


def test_an_item_scorer_adds_its_metrics_to_its_tasks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, LENGTH)
    assert scorer("math", ("length",))("8", "8", "en") == {"accuracy": 1.0, "length": 1.0, "fidelity": 1.0}
    assert "length" not in scorer("instruction", ("length",))("8", "8", "en")
    assert declared_metrics()["length"].high == 1e6


def test_a_metric_that_is_not_declared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, WRONG)
    with pytest.raises(RunError, match="the scorer wrong returned mistake; it declares other"):
        scorer("math", ("wrong",))("8", "8", "en")


def test_a_checkpoint_scorer_sees_the_directory_and_adds_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    def score(directory: Path, run: RunSpec) -> Iterator[CheckpointScore]:
        assert (directory / "config.json").exists()
        for language in run.eval_languages[:2]:
            yield CheckpointScore("sums", language, "sums", 0.5, 0.1, 25)

    declare(monkeypatch, CheckpointScorer("sums", (Metric("sums", "sums"),), score), LENGTH)
    run = run_with("sums", "length")
    rows = checkpoint_scores(run, tmp_path, [])
    assert [(row.task, row.eval_language, row.metric, row.score, row.n_items) for row in rows] == [
        ("sums", "en", "sums", 0.5, 25), ("sums", "es", "sums", 0.5, 25),
    ]  # fmt: skip
    assert rows[0].run_id == run.run_id


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (CheckpointScore("sums", "en", "bleu", 0.5), "declares no such metric; it declares sums"),
        (CheckpointScore("sums", "en", "sums", 50.0), "outside the declared range from 0 to 1"),
        (CheckpointScore("sums", "es", "sums", 0.5), "is there already"),
    ],
)
def test_a_wrong_row_is_refused(
    measured: CheckpointScore, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declare(monkeypatch, CheckpointScorer("sums", (Metric("sums", "sums"),), lambda *_: [measured]))
    run = run_with("sums")
    existing = [score_row(run, "sums", "es", "sums", (0.4, 0.1), 10)]
    with pytest.raises(RunError, match=message):
        checkpoint_scores(run, tmp_path, existing)
