"""Execute the missing runs of a sweep: Ray Tune enumerates them, Ray Train carries out each one."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clt_ray.orchestration.cluster import Capacity, capacity, connected
from clt_ray.orchestration.monitor import Observer
from clt_ray.sweep.run import RunSpec

if TYPE_CHECKING:
    from clt_ray.orchestration.informative import Order

HEAD = "node:__internal_head__"
"""Every cluster's head node has 1.0 of this resource. Drivers ask for a share of it, which keeps them off the
nodes that train and makes the number of live drivers a property of the cluster, not of one process."""

HEAD_SHARE = 0.9
"""Part of the head's resource that drivers divide; Ray's own actors take small shares of the rest."""


def run_missing(
    runs: Sequence[RunSpec],
    storage: str,
    observer: Observer,
    *,
    address: str | None = None,
    limit: int | None = None,
    verbose: bool = False,
    connected_hook: Callable[[Capacity], None] | None = None,
    order: Order | None = None,
) -> None:
    """Execute runs; what became of each is in its run directory.

    Runs on different hardware execute one kind after the other, since the gate counts one kind of slot.

    Args:
        runs: What to execute; none of them finished.
        storage: URI of the store.
        observer: Told as trials start and end.
        address: Ray cluster; see `cluster.connected`.
        limit: At most this many runs at a time.
        verbose: Show Ray's and Tune's own output.
        connected_hook: Called with the capacity once Ray is up.
        order: Decides what comes next, and what is left out; by default all runs, in the order given.
    """
    if not verbose:
        for noisy in ("ray", "ray.tune", "ray.train", "ray._private"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
    with connected(runs, address, verbose):
        for same_hardware in _by_hardware(runs):
            room = capacity(same_hardware, limit)
            if connected_hook:
                connected_hook(room)
            _tune(same_hardware, storage, observer, room, verbose, order)


def _by_hardware(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        groups.setdefault(run.hardware.model_dump_json(), []).append(run)
    return list(groups.values())


def _tune(
    runs: Sequence[RunSpec], storage: str, observer: Observer, room: Capacity, verbose: bool, order: Order | None
) -> None:
    from ray import tune

    from clt_ray.orchestration.driver import drive
    from clt_ray.orchestration.events import Events
    from clt_ray.orchestration.informative import RunSearch, cell

    # Ray's bookkeeping is no part of the results: a rerun asks the store what is missing, never Tune.
    scratch = f"{storage.rstrip('/')}/ray"
    share = int(HEAD_SHARE / room.drivers * 10_000) / 10_000
    trainable = tune.with_resources(
        tune.with_parameters(drive, runs={run.run_id: run.to_dict() for run in runs}, storage=storage, scratch=scratch),
        tune.PlacementGroupFactory([{HEAD: share}]),
    )
    tuner = tune.Tuner(
        trainable,
        param_space={} if order else {"cell": tune.grid_search([cell(run) for run in runs])},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=room.drivers,
            reuse_actors=True,
            search_alg=RunSearch(runs, order) if order else None,
            num_samples=len(runs) if order else 1,
        ),
        run_config=tune.RunConfig(
            name=f"tune-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=scratch,
            verbose=1 if verbose else 0,
            callbacks=[Events(observer)],
        ),
    )
    tuner.fit()
    if "://" not in scratch:
        shutil.rmtree(scratch, ignore_errors=True)
