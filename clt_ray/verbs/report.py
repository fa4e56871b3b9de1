"""`clt-ray report`: one HTML page with figures and tables, from finished runs, a scores file or the reference study."""

import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.reference import reference_scores
from clt_ray.evidence import item_rows, no_finished_run, run_logs, score_rows
from clt_ray.html_report import Heading, ReportData, build_report
from clt_ray.locations import Locations, locate
from clt_ray.opened import OpenSweep, open_sweeps
from clt_ray.tracking import TrackerUnavailable, read_scores
from clt_ray.verbs.options import Overrides, Storage, TrackingUri, argument, flag, value_option
from clt_ray.verbs.status import status
from clt_ray.verbs.terminal import argument_error

log = logging.getLogger(__name__)

REFERENCE_TITLE = "Reference study: cross-lingual transfer in post-training"

REFERENCE_HELP = "Report on the reference study; with sweeps or scores, show it beside them."


@dataclass(frozen=True)
class ReportOptions:
    """What a report is on, beside sweeps, and where it goes."""

    scores: Annotated[str | None, value_option("--scores", "FILE.csv", "Report on a scores file instead.")] = None
    reference: Annotated[bool, flag("--reference", REFERENCE_HELP)] = False
    out: Annotated[str | None, value_option("--out", "DIR", "Folder (default: STORAGE/reports/NAME).")] = None


def report(
    *sweeps: OpenSweep, options: ReportOptions = ReportOptions(), locations: Locations | None = None, command: str = ""
) -> Path:
    """Writes the report on sweeps, on a scores file, or on the reference study, and returns the HTML file.

    Args:
        sweeps: Sweeps whose finished runs are reported; none with `options.scores`.
        locations: Where a report without sweeps goes unless `options.out` says so; by default as `locate()`.
        command: The command line, for the provenance on the page, which shows it without secrets.

    Raises:
        ConfigurationError: There is nothing to report on, or a scores file is malformed.
    """
    if (sweeps and options.scores) or not (sweeps or options.scores or options.reference):
        message = "name sweeps, or --scores FILE, or --reference"
        raise argument_error("report", "SWEEP", None, message, "clt-ray report --help")
    reference = reference_scores() if options.reference else None
    title = "+".join(sweep.name for sweep in sweeps) or (Path(options.scores).stem if options.scores else "reference")
    where = sweeps[0].locations if sweeps else locations or locate()
    folder = Path(options.out) if options.out else where.report_folder(title)
    if options.scores:
        data = ReportData(load_scores(options.scores), reference=reference)
        return build_report(data, Heading(title, command), folder)
    if not sweeps:
        return build_report(ReportData(reference_scores()), Heading(REFERENCE_TITLE, command), folder)
    if not (rows := _score_rows(sweeps)):
        raise no_finished_run(sweeps)
    items = load_items(item_rows(sweeps))
    runs = list({run.run_id: asdict(run) for sweep in sweeps for run in status(sweep).runs}.values())
    data = ReportData(load_scores(rows), items=items, runs=runs, reference=reference, logs=run_logs(sweeps))
    page = build_report(data, Heading(title, command), folder)
    for sweep in sweeps:
        try:
            sweep.tracker.log_report(folder)
        except TrackerUnavailable as error:
            log.warning("the report is not in MLflow: %s", error)
    return page


def _score_rows(sweeps: Sequence[OpenSweep]) -> list[dict[str, Any]]:
    """Returns the scores of the finished runs from MLflow, brought up to date; from the store where it is down."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for sweep in sweeps:
        run_ids = {run.run_id for run in sweep.runs}
        sweep_rows: Sequence[dict[str, Any]]
        try:
            sweep.tracker.sync(sweep.runs)
            sweep_rows = read_scores(sweep.locations.tracking_uri, sweep.name)
        except TrackerUnavailable as error:
            log.warning("MLflow does not answer, so the scores are read from the store: %s", error)
            sweep_rows = score_rows([sweep])
        key = ("run_id", "task", "eval_language", "metric")
        rows |= {tuple(row[name] for name in key): row for row in sweep_rows if row["run_id"] in run_ids}
    return list(rows.values())


def command(
    sweeps: Annotated[list[str] | None, argument("[SWEEP]", "Sweep files whose finished runs are reported.")] = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    overrides: Overrides = None,
    options: ReportOptions = ReportOptions(),
) -> int:
    if not sweeps:
        for option, value in (("--set", overrides), ("--tracking-uri", tracking_uri)):
            if value:
                raise argument_error("report", option, None, "has no effect without a SWEEP", f"leave {option} out")
        if storage and options.out:
            raise argument_error("report", "--storage", None, "has no effect beside --out", "leave one of them out")
    opened = open_sweeps(sweeps or (), overrides=overrides or (), storage=storage, tracking_uri=tracking_uri)
    command_line = shlex.join(["clt-ray", *sys.argv[1:]])
    page = report(*opened, options=options, locations=locate(storage, tracking_uri), command=command_line)
    print(f"report: {page}")
    return 0
