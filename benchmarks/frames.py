"""Measures how long 10,000 runs in 8 languages take to load into the validated scores frame, from each possible
source.

    python benchmarks/frames.py > benchmarks/results/frames.json

The runs are math runs with accuracy and language fidelity, which makes 160,000 measurements. The MLflow store is an
SQLite file. Its first run is written as for any sweep, and the others are copies of its rows. The baselines read
the same rows: `pandas.read_csv` without validation, one `pandas.read_csv` per run directory, and MLflow's own
search without building a frame.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from _result import emit
from clt_ray.analysis.loading import SCORE_COLUMNS, load_scores
from clt_ray.evidence import finished_rows
from clt_ray.store import ResultDocument, StageSeconds, StatusDocument, Store
from clt_ray.sweep import RunSpec, expand, parse_sweep
from clt_ray.sweep.selection import Candidate, Selection
from clt_ray.tracking import SweepTracker, read_scores
from clt_ray.tracking.client import connect
from clt_ray.tracking.experiment import find_experiment, search_runs

NAME = "frames"
RUNS = 10_000
METRICS = ("accuracy", "fidelity")
SWEEP = {
    "name": NAME,
    "seeds": list(range(100)),
    "grid": {"model": ["llama-3.1-8b"], "task": ["math"], "samples_per_language": list(range(100))},
    "hardware": {"accelerator": "TPU-V5LITEPOD", "topology": "8x8", "mesh": "64x1"},
}
COPIED = ("runs", "params", "tags", "latest_metrics", "metrics")


def main() -> None:
    runs = expand(parse_sweep(SWEEP))
    assert len(runs) == RUNS
    tables = {run.run_id: scores(run) for run in runs}
    whole = pd.concat(tables.values(), ignore_index=True)
    figures, baseline = {"runs": float(RUNS), "measurements": float(len(whole))}, {}
    with TemporaryDirectory() as folder:
        file = Path(folder, "scores.csv")
        whole.to_csv(file, index=False)
        figures["csv_seconds"] = seconds(lambda: load_scores(file), len(whole))
        baseline["csv_seconds"] = seconds(lambda: pd.read_csv(file), len(whole))

        store = Store(folder)
        for run_id, table in tables.items():
            finish(store, run_id, table)
        figures["run_stores_seconds"] = seconds(
            lambda: load_scores(finished_rows(store, list(tables), "scores.csv")), len(whole)
        )
        files = [Path(folder, "runs", run_id, "scores.csv") for run_id in tables]
        baseline["run_stores_seconds"] = seconds(lambda: pd.concat([pd.read_csv(each) for each in files]), len(whole))

        uri = f"sqlite:///{folder}/mlflow.db"
        SweepTracker(uri, NAME, store).sync(runs[:1])
        copy_first_run(Path(folder, "mlflow.db"), runs)
        figures["mlflow_seconds"] = seconds(lambda: load_scores(read_scores(uri, NAME)), len(whole))
        client = connect(uri)
        experiment = find_experiment(client, NAME)
        assert experiment is not None
        baseline["mlflow_seconds"] = seconds(lambda: list(search_runs(client, experiment, "")), RUNS + 1)
    emit("frames", figures, baseline)


def scores(run: RunSpec) -> pd.DataFrame:
    """Returns the scores of a finished run."""
    description = {
        "run_id": run.run_id, "model": run.model.name, "setting": "single", "task": run.task,
        "language_group": run.language_group, "train_languages": "+".join(run.train_languages),
        "samples_per_language": run.samples_per_language, "seed": run.seed, "stderr": 0.03, "n_items": 250,
    }  # fmt: skip
    rows = [
        description | {"eval_language": language, "metric": metric, "score": (place + run.seed) % 101 / 101}
        for place, (language, metric) in enumerate((code, name) for code in run.eval_languages for name in METRICS)
    ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def finish(store: Store, run_id: str, table: pd.DataFrame) -> None:
    """Writes the files of a finished run that the analysis reads.

    The files are written directly, because durable writes of 10,000 runs take minutes and are not measured here.
    """
    folder = Path(store.uri, "runs", run_id)
    folder.mkdir(parents=True)
    (folder / "scores.csv").write_text(table.to_csv(index=False))
    (folder / "items.csv").write_text("run_id,task,eval_language,metric,item_id,score\n")
    status = StatusDocument(state="finished", attempt=1, updated=1.7e9, stage="evaluate", step=1, total_steps=1)
    result = ResultDocument(
        run_id=run_id,
        name=run_id,
        selection=Selection("val/loss", "min", Candidate(1, 1.0), ()),
        steps=1,
        train_rows=1,
        dropped_rows={},
        data=(),
        seconds=StageSeconds(train=1.0, evaluate=1.0),
        generated_tokens_per_second=1.0,
        versions={},
    )
    for document in (status, result):
        (folder / document.FILE).write_bytes(document.encode())


def copy_first_run(database: Path, runs: Sequence[RunSpec]) -> None:
    """Copies the only MLflow run in a database for each of the other runs, with their own identifying values."""
    changes = {"seed": "seed", "samples_per_language": "samples_per_language", "language_group": "language_group"}
    with sqlite3.connect(database) as base:
        (first,) = base.execute("SELECT run_uuid FROM tags WHERE key = 'clt.run_id'").fetchone()
        names = {table: [row[1] for row in base.execute(f"PRAGMA table_info({table})")] for table in COPIED}
        rows = {
            table: base.execute(f"SELECT {','.join(columns)} FROM {table} WHERE run_uuid = ?", (first,)).fetchall()
            for table, columns in names.items()
        }
        for number, run in enumerate(runs[1:], start=1):
            values = {name: str(getattr(run, field)) for name, field in changes.items()}
            values |= {"clt.run_id": run.run_id, "train_languages": "+".join(run.train_languages)}
            for table, columns in names.items():
                copies = [copied(dict(zip(columns, row, strict=True)), number, values) for row in rows[table]]
                marks = ",".join("?" * len(columns))
                base.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple(row.values()) for row in copies])


def copied(row: dict[str, Any], number: int, values: dict[str, str]) -> dict[str, Any]:
    """Changes a row of the first run into the row of another run."""
    row |= {"run_uuid": f"{number:032x}"}
    if row.get("key") in values and isinstance(row["value"], str):
        row["value"] = values[row["key"]]
    return row


def seconds(load: Callable[[], Any], expected: int) -> float:
    """Returns the wall time of one load. The files were written a moment ago, so they are in the page cache."""
    began = time.perf_counter()
    loaded = load()
    taken = time.perf_counter() - began
    assert len(loaded) == expected, (len(loaded), expected)
    return taken


if __name__ == "__main__":
    main()
