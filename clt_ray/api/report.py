"""The verb `report`: scores from MLflow, the store, a file or the reference study -> one HTML page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clt_ray.api.evidence import finished_rows
from clt_ray.api.inspect import status
from clt_ray.api.locations import Locations
from clt_ray.api.mechanisms import run_logs
from clt_ray.errors import ConfigurationError, Problem
from clt_ray.store import Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep

log = logging.getLogger(__name__)


def report(
    sweeps: Sequence[str],
    locations: Locations,
    *,
    scores: str | None = None,
    reference: bool = False,
    out: str | None = None,
    command: str = "",
    overrides: Sequence[str] = (),
) -> Path:
    """Write the report of sweeps, of a scores file, or of the reference study.

    Args:
        sweeps: Sweep files; empty with `scores` or `reference`.
        locations: Store and tracker of the sweeps.
        scores: A CSV file in the tidy scores format.
        reference: Report on the published scores of the reference study; with sweeps or scores, lay them beside it.
        out: Folder; by default `reports/<name>` in the storage.
        command: The command line, for the report's provenance.
        overrides: As given to `run`.

    Returns:
        The HTML file.

    Raises:
        ConfigurationError: Nothing to report on, or a malformed scores file.
    """
    if (sweeps and scores) or not (sweeps or scores or reference):
        remedy = "clt-ray report --help"
        raise ConfigurationError([Problem("report", "", None, "name sweeps, or --scores FILE, or --reference", remedy)])
    from clt_ray.analysis.loading import load_items, load_scores
    from clt_ray.analysis.reference import reference_scores
    from clt_ray.report import Heading, ReportData, build_report

    behind = reference_scores() if reference else None
    if scores:
        folder = Path(out) if out else locations.report_folder(Path(scores).stem)
        found = load_scores(scores)
        return build_report(ReportData(found, reference=behind), Heading(Path(scores).stem, command), folder)
    if behind is not None and not sweeps:
        folder = Path(out) if out else locations.report_folder("reference")
        title = "Reference study: cross-lingual transfer in post-training"
        return build_report(ReportData(behind), Heading(title, command), folder)

    name, rows, items, runs = _gather(sweeps, locations, overrides)
    if not rows:
        raise ConfigurationError(
            [Problem(" ".join(sweeps), "", None, "no run of it is finished", f"clt-ray run {sweeps[0]}")]
        )
    folder = Path(out) if out else locations.report_folder(name)
    data = ReportData(
        load_scores(rows),
        items=load_items(items),
        runs=runs,
        reference=behind,
        logs=run_logs(sweeps, locations, overrides),
    )
    page = build_report(data, Heading(name, command), folder)
    _log_to_tracker(sweeps, locations, folder)
    return page


def _gather(
    sweeps: Sequence[str], locations: Locations, overrides: Sequence[str]
) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Name, score rows, item rows and run descriptions of several sweeps, each run once."""
    from clt_ray.tracking import TrackerUnavailable

    names: list[str] = []
    runs: dict[str, dict[str, Any]] = {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    items: dict[str, list[dict[str, Any]]] = {}
    store = Store(locations.storage)
    for path in sweeps:
        spec = load_sweep(path, overrides)
        names.append(spec.name)
        told = status(path, locations, overrides)
        wanted = {run.run_id for run in told.runs}
        runs |= {run.run_id: vars(run) for run in told.runs}
        try:
            found = _from_tracker(spec.name, path, locations, overrides)
        except TrackerUnavailable as error:
            log.warning("MLflow does not answer, reading the store: %s", error)
            found = [
                row for name in ("scores.csv", "judge/scores.csv") for row in finished_rows(store, sorted(wanted), name)
            ]
        key, known = ("run_id", "task", "eval_language", "metric"), set(items)
        rows |= {tuple(row[name] for name in key): row for row in found if row["run_id"] in wanted}
        for name in ("items.csv", "judge/items.csv"):
            for row in finished_rows(store, sorted(wanted - known), name):
                items.setdefault(row["run_id"], []).append(row)
    return (
        "+".join(names),
        list(rows.values()),
        [row for own in items.values() for row in own],
        list(runs.values()),
    )


def _from_tracker(name: str, path: str, locations: Locations, overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Scores as MLflow has them, after what the store has more is brought there."""
    from clt_ray.tracking import SweepTracker, read_scores

    store = Store(locations.storage)
    SweepTracker(locations.tracking_uri, name, store).sync(expand(load_sweep(path, overrides)))
    return read_scores(locations.tracking_uri, name)


def _log_to_tracker(sweeps: Sequence[str], locations: Locations, folder: Path) -> None:
    """Keep a copy of the report with each sweep's parent run."""
    from clt_ray.tracking import SweepTracker, TrackerUnavailable

    store = Store(locations.storage)
    for path in sweeps:
        try:
            SweepTracker(locations.tracking_uri, load_sweep(path).name, store).log_report(folder)
        except TrackerUnavailable as error:
            log.warning("the report is not in MLflow: %s", error)
