"""Writes the report: one HTML page, in which all is embedded, and beside it its figures (SVG, PNG) and tables (CSV)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from clt_ray.analysis import claims
from clt_ray.analysis import tables as measures
from clt_ray.analysis.checkpoint_correlation import over_runs, transfer_correlation_checkpoints
from clt_ray.analysis.mechanisms import mechanisms
from clt_ray.analysis.reference import CITATION, is_reference
from clt_ray.analysis.run_log import RunLog
from clt_ray.analysis.study import Study
from clt_ray.errors import ConfigurationError, Problem
from clt_ray.html_report.figures import Exhibit, exhibits, mechanism_exhibits
from clt_ray.html_report.findings import evidence, headline_curves, introduction, limits, verdicts
from clt_ray.html_report.sections import Section, sections
from clt_ray.html_report.svg import figure_png
from clt_ray.html_report.tables import Tables, run_table, summary
from clt_ray.redaction import redacted_text
from clt_ray.tasks import TASKS

_HERE: Final = Path(__file__).parent
_PACKAGES: Final = ("clt-ray", "numpy", "pandas", "scipy", "matplotlib")
_LONG: Final = 24
"""A table with more rows than this is collapsed until the reader opens it."""


@dataclass(frozen=True)
class ReportData:
    """Everything that a report is computed from."""

    scores: pd.DataFrame
    """Scores of finished runs, from `clt_ray.analysis.loading.load_scores`."""
    items: pd.DataFrame | None = None
    """Item scores from `load_items`; without them intervals are computed from standard errors."""
    runs: Sequence[Mapping[str, Any]] = ()
    """All planned runs with the keys `run_id, model, task, language_group, samples_per_language, seed, state, error`,
    and `url` where known. Runs that are not finished are listed on the page."""
    reference: pd.DataFrame | None = None
    """Scores of another study, drawn as thin lines behind the scores relative to English."""
    logs: Sequence[RunLog] = ()
    """Losses and gradient measurements that the runs recorded during training."""


@dataclass(frozen=True)
class Heading:
    """What the page states about itself."""

    title: str
    command: str
    """Command line that made the report; secrets in URIs are redacted."""
    question: str | None = None
    """The question that the sweep asks, in one sentence."""
    mlflow_url: str | None = None
    """Address of the MLflow experiment's page; run ids then link to a search in it."""


def build_report(data: ReportData, heading: Heading, out: Path) -> Path:
    """Writes `index.html`, `scores.csv`, `tables/*.csv`, and `figures/*.svg` and `*.png`.

    The folder is created when missing, files of an earlier report are replaced, and the HTML file's path is returned.

    Raises:
        ConfigurationError: There are no scores, the metrics of a task cannot share a curve, or items contradict scores.
    """
    if data.scores.empty:
        remedy = "finish a run first: clt-ray run SWEEP"
        raise ConfigurationError([Problem("report", "", None, "there are no scores to report on", remedy)])
    study = Study.of(data.scores, data.items)
    tables = measures.compute_all(study, data.scores)
    # The reference study's claims are tested on its own scores wherever those are shown.
    tables["claims"] = claims.table(study if data.reference is None else Study.of(data.reference))
    recorded = mechanisms(data.logs, tables["interference"])
    checkpoints = transfer_correlation_checkpoints(data.logs)
    of_checkpoints = {"transfer_correlation_checkpoints": checkpoints}
    of_checkpoints["transfer_correlation_over_runs"] = over_runs(checkpoints)
    tables |= {name: frame for name, frame in (vars(recorded) | of_checkpoints).items() if len(frame)}
    behind = None if data.reference is None else measures.relative_to_english(Study.of(data.reference))
    runs = Section.of("runs", run_table(data.scores, data.runs, heading.mlflow_url))
    shown = [*sections(vars(recorded) | tables), runs]
    groups = {group for section in shown for group in section.figures or (section.name,)}
    drawn = [*exhibits(tables, headline_curves(study), behind), *mechanism_exhibits(recorded)]
    figures = [figure for figure in drawn if figure.section in groups]
    page = _rendered(
        title=heading.title, question=heading.question, command=redacted_text(heading.command),
        citation=CITATION if data.reference is not None or is_reference(data.scores) else "",
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions=[("python", python_version()), *((package, version(package)) for package in _PACKAGES)],
        introduction=introduction(study), tasks=study.tasks, verdicts=verdicts(study), summary=summary(tables),
        evidence=evidence(study, tables["gain"], data.runs), limits=limits(study, tables["gain"], data.runs),
        exhibits=figures, sections=shown,
    )  # fmt: skip
    return _write(out, page, data.scores, tables, figures)


def _rendered(**context: Any) -> str:
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    style = Markup(environment.get_template("page.css").render(tasks=TASKS))
    script = Markup((_HERE / "page.js").read_text("utf-8"))
    return environment.get_template("page.html").render(long=_LONG, style=style, script=script, **context)


def _write(out: Path, page: str, scores: pd.DataFrame, tables: Tables, figures: Sequence[Exhibit]) -> Path:
    """Writes all files, the page last, so that a reader who finds it also finds everything it links to."""
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    scores.to_csv(out / "scores.csv", index=False)
    for name, table in tables.items():
        table.to_csv(out / "tables" / f"{name}.csv", index=False, float_format="%.6g")
    for figure in figures:
        (out / "figures" / f"{figure.name}.svg").write_text(figure.svg, "utf-8")
        if not figure.folded:
            (out / "figures" / f"{figure.name}.png").write_bytes(figure_png(figure.figure))
    target = out / "index.html"
    target.write_text(page, "utf-8")
    return target
