"""Executes the missing runs of a sweep with Ray: one Tune trial per run, which drives one Ray Train run."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clt_ray.orchestration.cluster import Capacity, RayOptions, capacity, connected
from clt_ray.orchestration.monitor import Observer
from clt_ray.sweep.run import RunSpec

if TYPE_CHECKING:
    from clt_ray.orchestration.tune_hooks import RunOrder

HEAD = "node:__internal_head__"
"""Resource of which every cluster's head node has 1.0. Each driver requests a share of it. This keeps drivers off the
nodes that train, and limits the number of live drivers in the whole cluster, not in one process only."""

HEAD_SHARE = 0.9
"""Part of the head node's resource that drivers share; Ray's own actors take small parts of the rest."""


def run_missing(
    runs: Sequence[RunSpec], storage: str, observer: Observer, options: RayOptions, order: RunOrder | None = None
) -> None:
    """Executes runs. The result of each run, also its failure, is in its run directory.

    Runs with different hardware are executed in one group after the other, because the number of concurrent trials is
    limited for one kind of hardware at a time. The order chooses the next run and which runs are left out; None
    executes all runs in their order.

    Raises:
        ConfigurationError: No cluster answers at the address, or the cluster is too small for one of the runs.
    """
    if not options.verbose:
        for name in ("ray", "ray.tune", "ray.train", "ray._private"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    with connected(runs, options):
        for same_hardware in _by_hardware(runs):
            limits = capacity(same_hardware, options.max_concurrent)
            _tune(same_hardware, storage, observer, limits, options.verbose, order)


def _by_hardware(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        groups.setdefault(run.hardware.model_dump_json(), []).append(run)
    return list(groups.values())


def _tune(
    runs: Sequence[RunSpec], storage: str, observer: Observer, limits: Capacity, verbose: bool, order: RunOrder | None
) -> None:
    from ray import tune

    from clt_ray.orchestration.driver import drive
    from clt_ray.orchestration.tune_hooks import Events, RunSearcher, cell

    # Ray's own state is not part of the results: a rerun reads from the store which runs are missing.
    scratch = f"{storage.rstrip('/')}/ray"
    share = int(HEAD_SHARE / limits.drivers * 10_000) / 10_000
    trainable = tune.with_resources(
        tune.with_parameters(drive, runs={run.run_id: run.to_dict() for run in runs}, storage=storage, scratch=scratch),
        tune.PlacementGroupFactory([{HEAD: share}]),
    )
    tuner = tune.Tuner(
        trainable,
        param_space={} if order else {"cell": tune.grid_search([cell(run) for run in runs])},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=limits.drivers,
            reuse_actors=True,
            search_alg=RunSearcher(runs, order) if order else None,
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
