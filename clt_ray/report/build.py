"""Scores in, a folder with the report out.

`build_report` tells the order: measure, say, draw, lay out, write. Everything that the page shows is also written as a
file beside it, and the page itself needs none of them: style, script and figures stand inside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from clt_ray.analysis import checkpoints, claims, comparisons, scripts
from clt_ray.analysis import tables as measures
from clt_ray.analysis.mechanisms import mechanisms
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.runlog import RunLog
from clt_ray.analysis.study import Study
from clt_ray.errors import ConfigurationError, Problem
from clt_ray.redaction import redacted_text
from clt_ray.report import comparison_tables, html_tables
from clt_ray.report.checkpoint_section import checkpoint_sections
from clt_ray.report.evidence import evidence, limits
from clt_ray.report.figures import Exhibit, exhibits
from clt_ray.report.measure_figures import measure_exhibits
from clt_ray.report.mechanism_figures import mechanism_exhibits
from clt_ray.report.mechanism_section import mechanism_frames, mechanism_sections
from clt_ray.report.sections import frames, sections
from clt_ray.report.verdicts import headline_curves, introduction, verdicts

_HERE: Final = Path(__file__).parent
_PACKAGES: Final = ("clt-ray", "numpy", "pandas", "scipy", "matplotlib")
_LONG: Final = 24
"""Rows from which a table is folded."""


def build_report(
    scores: pd.DataFrame,
    *,
    items: pd.DataFrame | None = None,
    runs: Sequence[Mapping[str, Any]] | None = None,
    title: str,
    question: str | None = None,
    command: str,
    out: Path,
    mlflow_url: str | None = None,
    reference: pd.DataFrame | None = None,
    logs: Sequence[RunLog] = (),
) -> Path:
    """Write `index.html`, `scores.csv`, `tables/*.csv`, `figures/*.svg` and `*.png`.

    Args:
        scores: From `clt_ray.analysis.frames.load_scores`.
        items: From `load_items`; without them intervals rest on standard errors.
        runs: All runs that were planned: `run_id, model, task, language_group, samples_per_language, seed, state,
            error`, optionally `url`. Those that did not finish are listed.
        title: Of the page.
        question: What the sweep asks, in a sentence.
        command: Command line that made the report.
        out: Folder; made when missing, files of an earlier report are replaced.
        mlflow_url: Page of the MLflow experiment; run ids then link to a search in it.
        reference: Scores of another study, drawn thin behind the shares of English.
        logs: What the runs recorded while they trained, from `clt_ray.api.mechanisms.run_logs`.

    Returns:
        The HTML file.

    Raises:
        ConfigurationError: No scores, metrics that cannot share a curve, or items that contradict the scores.
    """
    if scores.empty:
        remedy = "finish a run first: clt-ray run SWEEP"
        raise ConfigurationError([Problem("report", "", None, "there are no scores to report on", remedy)])
    runs = list(runs or ())
    study = Study.of(scores, items)
    tables = _measured(study, scores, reference)
    behind = measures.relative_to_english(Study.of(reference)) if reference is not None else None
    recorded = mechanisms(logs, tables["interference"])
    tables |= mechanism_frames(recorded) | checkpoints.frames(logs)
    headline = headline_curves(study)
    parts = sections(tables)
    shown = [
        *exhibits(tables, headline, behind),
        *measure_exhibits(tables, headline, parts),
        *mechanism_exhibits(recorded),
    ]
    page = (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            question=question,
            introduction=introduction(study),
            verdicts=verdicts(study),
            task_label=task_label,
            evidence=evidence(study, tables["gain"], runs),
            limits=limits(study, tables["gain"], runs),
            exhibits=shown,
            tasks=study.tasks,
            summary=html_tables.summary(tables["gain"], tables["relative_to_english"], tables["seen_unseen"]),
            languages={task: html_tables.languages(tables["per_language"], task) for task in study.tasks},
            correlations=html_tables.correlations(tables["transfer_correlation"]),
            claims=comparison_tables.claims(_testable(tables["claims"])),
            plateaus=comparison_tables.plateaus(tables["plateau"]),
            mixing=comparison_tables.mixing(tables["interference"]),
            scripts=comparison_tables.scripts(tables["script_effect"]),
            scripts_by_task=comparison_tables.scripts_by_task(tables["script_by_task"]),
            sections=[*parts, *checkpoint_sections(tables), *mechanism_sections(recorded)],
            runs=html_tables.run_table(scores, runs, mlflow_url),
            long=_LONG,
            citation=_citation(scores, reference),
            command=redacted_text(command),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions=_versions(),
            style=Markup((_HERE / "page.css").read_text("utf-8")),
            script=Markup((_HERE / "page.js").read_text("utf-8")),
        )
    )
    return _write(out, page, scores, tables, shown)


def _measured(study: Study, scores: pd.DataFrame, reference: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Every table that scores alone allow, by name."""
    tables = {
        table.__name__: table(study)
        for table in (
            measures.relative_to_english,
            measures.seen_unseen,
            measures.gain,
            measures.per_language,
            measures.transfer_correlation,
            comparisons.plateau,
            comparisons.interference,
            scripts.script_effect,
        )
    }
    tables |= frames(study, scores)
    # The study's findings are tested on its own scores, wherever those are shown.
    tables["claims"] = claims.table(study if reference is None else Study.of(reference))
    return tables


def _testable(table: pd.DataFrame) -> pd.DataFrame:
    """The claims, unless these are other runs than those that they are about."""
    return table if table["recomputed"].notna().any() else table.iloc[:0]


def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _write(
    out: Path, page: str, scores: pd.DataFrame, tables: Mapping[str, pd.DataFrame], shown: Sequence[Exhibit]
) -> Path:
    """The page last, so that a reader who finds it finds everything it links to."""
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    scores.to_csv(out / "scores.csv", index=False)
    for name, table in tables.items():
        table.to_csv(out / "tables" / f"{name}.csv", index=False, float_format="%.6g")
    for exhibit in shown:
        (out / "figures" / f"{exhibit.name}.svg").write_text(exhibit.svg, "utf-8")
        if exhibit.png is not None:
            (out / "figures" / f"{exhibit.name}.png").write_bytes(exhibit.png)
    target = out / "index.html"
    target.write_text(page, "utf-8")
    return target


def _versions() -> list[tuple[str, str]]:
    found = [("python", python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            found.append((package, "not installed as a package"))
    return found


def _citation(scores: pd.DataFrame, reference: pd.DataFrame | None) -> str:
    """The reference study's citation, where its scores are shown."""
    from clt_ray.analysis.reference import CITATION, is_reference

    frames = [scores] if reference is None else [scores, reference]
    return CITATION if any(is_reference(frame) for frame in frames) else ""
