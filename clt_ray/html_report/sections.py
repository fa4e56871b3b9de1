"""Sections of the page: title, a statement of what the tables show, and the tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import pandas as pd

from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.labels import CURVE_COLUMNS, language_name
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import ENGLISH
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report import measure_tables, score_tables
from clt_ray.html_report.columns import Table, excludes_zero, is_discovery
from clt_ray.html_report.measure_tables import at_largest
from clt_ray.html_report.score_tables import languages
from clt_ray.html_report.text import counted, number, percent, words

Tables = Mapping[str, pd.DataFrame]

COMPARISONS: Final = "comparisons"
"""Name of the standard section that compares curves."""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    """Its anchor in the page."""
    label: str
    """Its name in the table of contents."""
    title: str
    statement: str
    """What the tables show, or why there are none; empty where figures and captions suffice."""
    tables: tuple[Table, ...]
    """Its tables; those without rows are not shown."""
    figures: tuple[str, ...] = ()
    """Groups of figures that it shows; by default the group of its own name."""

    @classmethod
    def of(
        cls, name: str, *tables: Table, values: Mapping[Any, object] | None = None, figures: tuple[str, ...] = ()
    ) -> Self:
        """Returns a section with the texts that `words.yaml` has for it, and values for the places in its statement."""
        texts = words()["sections"][name]
        statement = texts.get("statement", "").format_map(values or {})
        if tables and not tables[0].rows:
            statement = texts.get("empty", statement)
        return cls(name, texts["label"], texts["title"], " ".join(statement.split()), tables, figures)


def claim_sections(table: pd.DataFrame) -> list[Section]:
    """Returns the section on the reference study's claims, if the scores are those of its runs."""
    if not table["recomputed"].notna().any():
        return []
    counts = table["verdict"].value_counts()
    ordered = sorted(counts.items(), key=lambda item: item[0] != SUPPORTED)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in ordered)
    shown = score_tables.CLAIMS.of(table)
    return [Section.of("claims", shown, values={"claims": counted(len(table), "claim"), "verdicts": verdicts})]


def standard_sections(tables: Tables) -> list[Section]:
    """Returns the sections that every page has."""
    scores = tables["per_language"]
    return [
        Section.of("english", figures=("overview", "gain")),
        *(
            Section(f"task-{index}", task_label(task), task_label(task), "", (languages(scores, task),), (task,))
            for index, task in enumerate(scores["task"].unique(), 1)
        ),
        Section.of("transfer", score_tables.CORRELATIONS.of(tables["transfer_correlation"]), figures=("correlation",)),
        Section.of(
            COMPARISONS,
            score_tables.PLATEAUS.of(tables["plateau"]),
            score_tables.MIXED_TASKS.of(tables["interference"]),
            score_tables.scripts(tables["script_effect"]),
            score_tables.scripts_by_task(tables["script_by_task"]),
        ),
    ]


def optional_sections(tables: Tables) -> list[Section]:
    """Returns the sections that have anything to show."""
    makers = {"noise": _run_noise, "leave_one_out": _leave_one_out, "equal_volume": _equal_volume,
              "source_to_target": _language_pairs, "boundary": _follow_rates, "fidelity": _fidelity}  # fmt: skip
    return [make(tables[name], tables) for name, make in makers.items() if len(tables[name])]


def _run_noise(noise: pd.DataFrame, tables: Tables) -> Section:
    shown = (
        measure_tables.NOISE.of(noise),
        measure_tables.GAINS_OVER_RUNS.of(at_largest(tables["gain_over_runs"])),
        measure_tables.GAINS_OVER_LANGUAGES.of(at_largest(tables["gain_over_languages"])),
        measure_tables.BEST_RUNS.of(tables["peaks"]),
    )
    return Section.of("chance", *shown, values={"gains": _clear_gains(tables)})


def _clear_gains(tables: Tables) -> str:
    keys = ["task", *CURVE_COLUMNS, "samples_per_language", "exposure"]
    means = tables["gain"][tables["gain"]["eval_language"] == MEAN]
    gains = at_largest(tables["gain_over_runs"])
    gains = gains.merge(means[[*keys, "low", "high"]], on=keys, suffixes=("", "_items")).dropna(subset=["low"])
    with_items = bool(gains["low_items"].notna().any())
    gains = gains.dropna(subset=["low_items"]) if with_items else gains
    if gains.empty:
        return ""
    rows = gains.to_dict("records")
    clear = sum(map(excludes_zero, rows))
    have = "has" if clear == 1 else "have"
    at_largest_n = f"Of {counted(len(rows), 'gain')} at the largest n"
    if not with_items:
        return f"{at_largest_n}, {clear} {have} an interval that excludes zero when it is included."
    fixed = sum(excludes_zero(row, "low_items", "high_items") for row in rows)
    return (
        f"{at_largest_n} with known item errors, {fixed} have an interval that excludes zero while the runs are held "
        f"fixed, and {clear} {have} one when the noise is included."
    )


def _leave_one_out(table: pd.DataFrame, _: Tables) -> Section:
    last = at_largest(table)
    signs = (last["gap"] > 0).groupby([last[name] for name in ("task", *CURVE_COLUMNS)], sort=False).nunique()
    steady = int((signs == 1).sum())
    if len(signs) == 1:
        curves = f"The only curve {'keeps' if steady else 'does not keep'}"
    else:
        curves = f"{f'{steady} of' if steady < len(signs) else 'All'} {len(signs)} curves keep"
    return Section.of("leave-one-out", measure_tables.left_out(table), values={"curves": curves})


def _equal_volume(table: pd.DataFrame, _: Tables) -> Section:
    clear = table[[is_discovery(row) for row in table.to_dict("records")]]
    better, worse = int((clear["difference"] > 0).sum()), int((clear["difference"] < 0).sum())
    values: dict[str, object] = {"comparisons": counted(len(table), "comparison"), "better": better, "worse": worse}
    values |= {"others": len(table) - better - worse}
    return Section.of("volume", measure_tables.EQUAL_VOLUME.of(table), values=values)


def _language_pairs(table: pd.DataFrame, _: Tables) -> Section:
    means = []
    for task, rows in at_largest(table[table["target"] != ENGLISH]).groupby("task", sort=False):
        gain_metric = metric(str(rows["metric"].iloc[0]))
        by_route = rows.groupby("route")["gain"].mean() * gain_metric.shown_factor
        shown = {route: number(float(value), gain_metric.digits, signed=True) for route, value in by_route.items()}
        if len(shown) == 2:
            means.append(f"{task_label(str(task))} {shown['direct']} in the training language and {shown['transfer']} "
                         "in the others")  # fmt: skip
    sentence = f"Mean gain at the largest n: {'; '.join(means)}." if means else ""
    return Section.of("sources", *measure_tables.source_matrices(table), values={"means": sentence})


def _follow_rates(table: pd.DataFrame, tables: Tables) -> Section:
    shown = measure_tables.BOUNDARY.of(table), measure_tables.FOLLOW_RATES.of(tables["follow_rates"])
    return Section.of("boundary", *shown, values=table.iloc[0].to_dict())


def _fidelity(table: pd.DataFrame, _: Tables) -> Section:
    least = table.sort_values("fidelity", kind="stable").to_dict("records")[0]
    values = {"task": task_label(least["task"]), "language": language_name(least["eval_language"])}
    values |= {"samples": f"{least['samples_per_language']:,}", "least": percent(least["fidelity"])}
    values |= {"mean": percent(float(table["fidelity"].mean()))}
    return Section.of("fidelity", measure_tables.fidelity(table), values=values)
