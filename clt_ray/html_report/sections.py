"""Sections of the page: title, a statement of what the tables show, and the tables.

`standard_sections` are on every page. `optional_sections` are there only where the runs allow them. The page shows the
figures of a section by the groups that `Section.figures` names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from clt_ray.analysis import tables as measures
from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.curve_labels import CURVE_COLUMNS
from clt_ray.analysis.display_order import language_name
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import ENGLISH, Study
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report import comparison_tables as comparisons
from clt_ray.html_report import general_tables as general
from clt_ray.html_report import overview_tables as overview
from clt_ray.html_report import robustness_tables as robustness
from clt_ray.html_report.declared_tables import Table, excludes_zero, is_discovery
from clt_ray.html_report.text import counted, enumerated, number, percent

Tables = Mapping[str, pd.DataFrame]

COMPARISONS: Final = "comparisons"
"""Name of the standard section that compares curves."""
SECTION_MEASURES: Final[tuple[Callable[[Study], pd.DataFrame], ...]] = (
    measures.script_by_task,
    measures.leave_one_out,
    measures.noise,
    measures.gain_over_runs,
    measures.gain_over_languages,
    measures.peaks,
    measures.equal_volume,
    measures.source_to_target,
    measures.scale,
    measures.scale_values,
    measures.boundary,
    measures.follow_rates,
)
"""Measures behind the sections; each is written as a CSV file under its function's name."""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    """Its anchor in the page."""
    label: str
    """Its name in the table of contents."""
    title: str
    """Its heading."""
    statement: str
    """What the tables show, or why there are none; empty where figures and captions suffice."""
    tables: tuple[Table, ...]
    """Its tables; those without rows are not shown."""
    figures: tuple[str, ...] = ()
    """Groups of figures that it shows; by default the group of its own name."""


def frames(study: Study, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the data frames behind the sections by name.

    Args:
        study: The scores of the tasks' primary metrics.
        scores: All scores, which include language fidelity.
    """
    return {measure.__name__: measure(study) for measure in SECTION_MEASURES} | {"fidelity": measures.fidelity(scores)}


def claim_sections(table: pd.DataFrame) -> list[Section]:
    """Returns the section on the reference study's claims, if the scores are those of its runs.

    Args:
        table: From `clt_ray.analysis.claims.table`.
    """
    if not table["recomputed"].notna().any():
        return []
    counts = table["verdict"].value_counts()
    ordered = sorted(counts.items(), key=lambda item: item[0] != SUPPORTED)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in ordered)
    statement = (
        "A claim is supported when its number can be recomputed from the published scores and its interval leaves no "
        "doubt about the direction. One run per configuration was published, so the intervals are based on estimated "
        f"run-to-run noise. Of {counted(len(table), 'claim')}: {verdicts}."
    )
    title = "Claims of the reference study, recomputed"
    return [Section("claims", "Claims", title, statement, (comparisons.CLAIMS.of(table),))]


def standard_sections(tables: Tables) -> list[Section]:
    """Returns the sections that every page has.

    Args:
        tables: All data frames by name, from `frames` and `clt_ray.analysis.tables`.
    """
    correlations = overview.CORRELATIONS.of(tables["transfer_correlation"])
    plateaus = comparisons.PLATEAUS.of(tables["plateau"])
    compared = (
        plateaus,
        comparisons.MIXED_TASKS.of(tables["interference"]),
        comparisons.scripts(tables["script_effect"]),
        comparisons.scripts_by_task(tables["script_by_task"]),
    )
    no_correlation = "A rank correlation needs at least three runs of one curve. There is no such curve yet."
    no_comparison = "Comparisons need curves with several points, or several curves. There are none yet."
    tasks = tables["per_language"]["task"].unique()
    return [
        Section("english", "Relative to English", "Performance relative to English", "", (), ("overview", "gain")),
        *(
            Section(f"task-{index}", task_label(task), task_label(task), "",
                    (overview.languages(tables["per_language"], task),), (task,))
            for index, task in enumerate(tasks, 1)
        ),
        Section("transfer", "Transfer", "Transfer from seen to unseen languages",
                "" if correlations.rows else no_correlation, (correlations,), ("correlation",)),
        Section(COMPARISONS, "Comparisons", "Plateaus, mixed tasks and scripts",
                "" if plateaus.rows else no_comparison, compared),
    ]  # fmt: skip


def optional_sections(tables: Tables) -> list[Section]:
    """Returns the sections that have anything to show.

    Args:
        tables: All data frames by name, from `frames` and `clt_ray.analysis.tables`.
    """
    makers = (_run_noise, _leave_one_out, _equal_volume, _language_pairs, _model_size, _follow_rates, _fidelity)
    return [section for make in makers for section in make(tables)]


def _run_noise(tables: Tables) -> Iterator[Section]:
    if tables["noise"].empty:
        return
    statement = "Training the same run again gives a different score; run-to-run noise is the size of that difference."
    yield Section(
        "chance",
        "Run-to-run noise",
        "Are the gains larger than run-to-run noise?",
        " ".join([statement, *_clear_gains(tables)]),
        (
            robustness.NOISE.of(tables["noise"]),
            robustness.gains_over_runs(tables["gain_over_runs"]),
            robustness.gains_over_languages(tables["gain_over_languages"]),
            robustness.BEST_RUNS.of(tables["peaks"]),
        ),
    )


def _clear_gains(tables: Tables) -> Iterator[str]:
    """Counts the gains that exclude zero, without and with run-to-run noise in their intervals."""
    keys = ["task", *CURVE_COLUMNS, "samples_per_language", "exposure"]
    means = tables["gain"][tables["gain"]["eval_language"] == MEAN]
    gains = robustness.at_largest(tables["gain_over_runs"])
    gains = gains.merge(means[[*keys, "low", "high"]], on=keys, suffixes=("", "_items")).dropna(subset=["low"])
    with_items = bool(gains["low_items"].notna().any())
    gains = gains.dropna(subset=["low_items"]) if with_items else gains
    if gains.empty:
        return
    rows = gains.to_dict("records")
    clear = sum(map(excludes_zero, rows))
    are = "is" if clear == 1 else "are"
    if not with_items:
        yield f"Of {counted(len(rows), 'gain')} at the largest n, {clear} {are} clear of zero when it is included."
        return
    fixed = sum(excludes_zero(row, "low_items", "high_items") for row in rows)
    yield (
        f"Of {counted(len(rows), 'gain')} at the largest n with known item errors, {fixed} have an interval that "
        f"excludes zero while the runs are held fixed, and {clear} {are} clear of zero when the noise is included."
    )


def _leave_one_out(tables: Tables) -> Iterator[Section]:
    table = tables["leave_one_out"]
    if table.empty:
        return
    last = robustness.at_largest(table)
    signs = (last["gap"] > 0).groupby([last[name] for name in ("task", *CURVE_COLUMNS)], sort=False).nunique()
    steady = int((signs == 1).sum())
    if len(signs) == 1:
        subject = f"The only curve {'keeps' if steady else 'does not keep'}"
    else:
        subject = f"{f'{steady} of' if steady < len(signs) else 'All'} {len(signs)} curves keep"
    yield Section(
        "leave-one-out",
        "Leave one out",
        "Does the gap depend on a single language?",
        f"{subject} the sign of the gap between seen and unseen languages whichever single language is left out.",
        (robustness.left_out(table),),
    )


def _equal_volume(tables: Tables) -> Iterator[Section]:
    table = tables["equal_volume"]
    if table.empty:
        return
    clear = table[[is_discovery(row) for row in table.to_dict("records")]]
    better, worse = int((clear["difference"] > 0).sum()), int((clear["difference"] < 0).sum())
    statement = (
        "Training on more languages also means training on more rows. Here each language group is compared with as "
        f"many additional rows of English. Of {counted(len(table), 'comparison')} with the runs held fixed, the "
        f"languages are better in {better}, worse in {worse}, and not distinguishable from extra English in "
        f"{len(table) - better - worse}."
    )
    shown = (robustness.EQUAL_VOLUME.of(table),)
    yield Section("volume", "Equal volume", "More languages, or only more data?", statement, shown)


def _language_pairs(tables: Tables) -> Iterator[Section]:
    table = tables["source_to_target"]
    if table.empty:
        return
    means = []
    for task, rows in robustness.at_largest(table[table["target"] != ENGLISH]).groupby("task", sort=False):
        gain_metric = metric(str(rows["metric"].iloc[0]))
        by_route = rows.groupby("route")["gain"].mean() * gain_metric.shown_factor
        shown = {route: number(float(value), gain_metric.digits, signed=True) for route, value in by_route.items()}
        if len(shown) == 2:
            means.append(f"{task_label(str(task))} {shown['direct']} in the training language and {shown['transfer']} "
                         "in the others")  # fmt: skip
    statement = "Runs that add one language to English show which languages benefit from its samples."
    if means:
        statement += f" Mean gain at the largest n: {'; '.join(means)}."
    title = "Transfer from each language to each language"
    yield Section("sources", "Language pairs", title, statement, general.source_matrices(table))


def _model_size(tables: Tables) -> Iterator[Section]:
    known = tables["scale"][tables["scale"]["slope"].notna()]
    if known.empty:
        return
    clear = [
        general.MEASURES.get(row["measure"], row["measure"]).partition(",")[0].lower()
        for row in known.to_dict("records")
        if excludes_zero(row)
    ]
    statement = "No measure changes with model size beyond what chance allows."
    if clear:
        statement = f"These measures change with model size: {enumerated(clear)}."
    strength = known["strength"].iloc[0]
    yield Section("scale", "Model size", "Effect of model size", f"{statement} {strength}", (general.scale(known),))


def _follow_rates(tables: Tables) -> Iterator[Section]:
    table = tables["boundary"]
    if table.empty:
        return
    statement = f"{table['verdict'].iloc[0]} {table['strength'].iloc[0]}"
    shown = (general.BOUNDARY.of(table), general.FOLLOW_RATES.of(tables["follow_rates"]))
    yield Section("boundary", "Follow rates", "How closely do unseen languages follow the seen ones?", statement, shown)


def _fidelity(tables: Tables) -> Iterator[Section]:
    table = tables["fidelity"]
    if table.empty:
        return
    least = table.sort_values("fidelity", kind="stable").to_dict("records")[0]
    statement = (
        f"On average {percent(float(table['fidelity'].mean()))} of the answers are in the right language, at least "
        f"{percent(least['fidelity'])} ({task_label(least['task'])}, {language_name(least['eval_language'])}, "
        f"n = {least['samples_per_language']:,}). Where this share is low, scores are low whatever the content of the "
        "answers."
    )
    title = "Are the answers in the right language?"
    yield Section("fidelity", "Language fidelity", title, statement, (robustness.fidelity(table),))
