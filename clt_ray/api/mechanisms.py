"""What finished runs recorded while they trained, for the analysis of interference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clt_ray.api.locations import Locations
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep

if TYPE_CHECKING:
    from clt_ray.analysis.mechanisms import Mechanisms
    from clt_ray.analysis.run_log import RunLog


def run_logs(sweeps: Sequence[str], locations: Locations, overrides: Sequence[str] = ()) -> list[RunLog]:
    """Logs of the finished runs of sweeps, each run once.

    Raises:
        ConfigurationError: A sweep file is wrong.
    """
    from clt_ray.analysis.run_log import run_log

    store, logs = Store(locations.storage), []
    for run_id in dict.fromkeys(run.run_id for path in sweeps for run in expand(load_sweep(path, overrides))):
        directory = store.run_dir(run_id)
        run = directory.run()
        if run is not None and directory.is_finished():
            validation, interference = (
                [(point.step, point.metrics) for point in directory.metrics(log)]
                for log in ("validation", "interference")
            )
            logs.append(run_log(run.to_dict(), run_id, validation, interference))
    return logs


def mechanisms(sweeps: Sequence[str], locations: Locations, overrides: Sequence[str] = ()) -> Mechanisms:
    """Loss trajectories, gradient agreement, and what goes with what, of the finished runs of sweeps.

    Raises:
        ConfigurationError: A sweep file is wrong, or its runs' scores contradict each other.
    """
    from clt_ray.analysis import mechanisms as measured
    from clt_ray.analysis.comparisons import interference
    from clt_ray.analysis.loading import load_items, load_scores
    from clt_ray.analysis.study import Study
    from clt_ray.api.evidence import sweep_rows

    scores, items = sweep_rows(sweeps, locations, overrides)
    table = interference(Study.of(load_scores(scores), load_items(items))) if scores else None
    return measured.mechanisms(run_logs(sweeps, locations, overrides), table)
