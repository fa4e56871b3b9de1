"""Scores of finished runs as the store has them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from clt_ray.api.locations import Locations
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep

Rows = list[dict[str, str]]


def sweep_rows(sweeps: Sequence[str], locations: Locations, overrides: Sequence[str] = ()) -> tuple[Rows, Rows]:
    """Score rows and item rows of the finished runs of sweeps, each run once.

    Raises:
        ConfigurationError: A sweep file is wrong.
    """
    store = Store(locations.storage)
    run_ids = dict.fromkeys(run.run_id for path in sweeps for run in expand(load_sweep(path, overrides)))
    return finished_rows(store, run_ids, "scores.csv"), finished_rows(store, run_ids, "items.csv")


def finished_rows(store: Store, run_ids: Iterable[str], name: str) -> Rows:
    """Rows of a CSV file of the runs that are finished and have it."""
    rows: Rows = []
    for run_id in run_ids:
        directory = store.run_dir(run_id)
        if directory.is_finished() and directory.exists(name):
            rows += csv.DictReader(io.StringIO(directory.read_text(name)))
    return rows
