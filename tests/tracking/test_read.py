"""Scores, item scores and validation curves read from MLflow equal those that the runs wrote."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from clt_ray.store import Store
from clt_ray.tracking import SweepTracker, read_items, read_scores
from tests.support.run_dirs import COLUMNS, ITEMS, SWEEP, Training, finished, spec


def rows(store: Store, run_id: str) -> list[dict[str, Any]]:
    text = store.run_dir(run_id).read_text("scores.csv")
    types: dict[str, Callable[[str], Any]] = {
        "samples_per_language": int,
        "seed": int,
        "score": float,
        "stderr": float,
        "n_items": int,
    }
    return [
        {name: types.get(name, str)(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))
    ]


def test_scores_equal_those_of_the_store(tracking_uri: str, store: Store) -> None:
    finished_runs = [finished(store, spec("summarization+math")), finished(store, spec("math", samples=0))]
    unfinished = Training(store, spec("math", seed=1)).advance(5)
    SweepTracker(tracking_uri, SWEEP, store).sync([*finished_runs, unfinished.run])
    read = read_scores(tracking_uri, SWEEP)
    assert tuple(read[0]) == tuple(COLUMNS)
    key = ("run_id", "task", "eval_language", "metric")
    written = sorted(
        (row for run in finished_runs for row in rows(store, run.run_id)), key=lambda row: [row[name] for name in key]
    )
    assert read == written


def test_item_scores_have_the_columns_of_the_store(tracking_uri: str, store: Store) -> None:
    run = finished(store, spec("math"))
    SweepTracker(tracking_uri, SWEEP, store).sync([run])
    items = read_items(tracking_uri, SWEEP)
    assert len(items) == ITEMS * len(run.eval_languages)
    assert items[0].keys() == {"run_id", "task", "eval_language", "metric", "item_id", "score"}
    assert isinstance(items[0]["score"], float)


def test_a_validation_curve_has_the_recorded_points(tracking_uri: str, store: Store, client: Any) -> None:
    run = finished(store, spec("math"))
    SweepTracker(tracking_uri, SWEEP, store).sync([run])
    experiment = client.get_experiment_by_name(SWEEP)
    (child,) = client.search_runs([experiment.experiment_id], f"tags.`clt.run_id` = '{run.run_id}'")
    history = client.get_metric_history(child.info.run_id, "val/loss")
    recorded = [(point.step, point.metrics["val/loss"]) for point in store.run_dir(run.run_id).metrics("validation")]
    assert sorted((point.step, point.value) for point in history) == recorded


def test_an_unknown_sweep_has_no_scores(tracking_uri: str) -> None:
    assert read_scores(tracking_uri, "unknown") == []
    assert read_items(tracking_uri, "unknown") == []
