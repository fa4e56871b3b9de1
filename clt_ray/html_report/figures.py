"""The page's figures of scores, gains and measures, with their titles, captions and text alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pandas as pd
from markupsafe import Markup

from clt_ray.analysis.labels import CURVE_COLUMNS, count_label, curve_labels, key_of, language_name
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import Curve
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report.columns import NumberFormat, Row, excludes_zero
from clt_ray.html_report.measure_tables import at_largest
from clt_ray.html_report.sections import COMPARISONS, Section, Tables
from clt_ray.html_report.svg import figure_svg, inline
from clt_ray.html_report.text import counted, percent, slug, words_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CURVES_READ = 8
"""A text alternative describes at most this many curves; the others are in the table."""
_FEWEST_RUNS = 3
"""A path of seen against unseen languages is drawn from this many runs on."""


@dataclass(frozen=True)
class Exhibit:
    """A figure of the page with the words around it."""

    figure: Figure
    name: str
    """Stem of its files, unique within the page."""
    section: str
    """Group of figures that a section shows: a task, or for instance "overview" or "gain"."""
    table: str
    """The CSV file `tables/<table>.csv` holds the figure's numbers."""
    title: str
    caption: str
    alt: str
    """Text alternative, which screen readers read instead of the figure."""
    folded: bool = False
    """Whether the figure is collapsed until the reader opens it; such a figure, of which there are many, has no PNG."""

    @cached_property
    def svg(self) -> str:
        """The figure as a stand-alone SVG file."""
        return figure_svg(self.figure, self.name)

    @property
    def element(self) -> Markup:
        """The figure as an element of the page."""
        return inline(self.svg, self.name, self.alt)


def exhibits(tables: Tables, headline: Sequence[Curve], reference: pd.DataFrame | None = None) -> list[Exhibit]:
    """Returns the figures of scores and gains; `reference` is another study's `relative_to_english`, drawn thinly."""
    return [
        *_relative(tables["relative_to_english"], reference),
        *_seen_unseen(tables["seen_unseen"]),
        *_per_language(tables["per_language"]),
        *_gain(of_curves(tables["gain"], headline)),
        *_correlation(of_curves(tables["seen_unseen"], headline)),
    ]


def of_curves(table: pd.DataFrame, curves: Sequence[Curve]) -> pd.DataFrame:
    """Returns the rows of the given curves."""
    keys = {
        (curve.task, curve.model, curve.setting, curve.mixture, curve.language_group, "+".join(curve.train_languages))
        for curve in curves
    }
    is_kept = [key in keys for key in table[["task", *CURVE_COLUMNS]].itertuples(index=False, name=None)]
    return table[pd.Series(is_kept, index=table.index, dtype=bool)]


def _relative(table: pd.DataFrame, reference: pd.DataFrame | None) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_relative_to_english

    table = table[table["relative_to_english"].notna()]
    if table.empty:
        return
    name = "relative_to_english"
    title, caption, _ = words_of("figures", name)
    caption += " Thin lines: the reference study." if reference is not None else ""
    ends = _curve_ends(table, "relative_to_english", lambda row: percent(row["relative_to_english"]))
    alt = f"Mean of the non-English languages as a share of the English score, over samples per language. {ends}"
    yield Exhibit(plot_relative_to_english(table, reference), name, "overview", name, title, caption, alt)


def _seen_unseen(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_seen_unseen

    title, caption, _ = words_of("figures", "seen_unseen")
    for task, rows in table.groupby("task", sort=False):
        score_metric = metric(str(rows["metric"].iloc[0]))
        ends = " ".join(_curve_ends(rows, name, _score_text(name)) for name in ("seen", "unseen"))
        alt = f"{task_label(str(task))}: {score_metric.label} over samples per language. {ends}"
        name = f"seen_unseen_{slug(str(task))}"
        yield Exhibit(plot_seen_unseen(rows), name, str(task), "seen_unseen", title, caption, alt)


def _per_language(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_per_language
    from clt_ray.analysis.plots.curves import MAX_CURVES

    for task, task_rows in table.groupby("task", sort=False):
        several_models = task_rows["model"].nunique() > 1
        for index, (model, rows) in enumerate(task_rows.groupby("model", sort=False)):
            name = f"per_language_{slug(str(task))}" + (f"_{slug(str(model))}" if several_models else "")
            title, caption, _ = words_of("figures", "per_language")
            curves_left_out = len(curve_labels(rows)) - MAX_CURVES
            caption += f" {curves_left_out} further curves are in the table." if curves_left_out > 0 else ""
            languages = ", ".join(language_name(code) for code in rows["eval_language"].unique())
            alt = f"{task_label(str(task))} over samples per language, one panel per language: {languages}. "
            alt += "The numbers are in the table."
            title += f", {model}" if several_models else ""
            figure = plot_per_language(rows)
            yield Exhibit(figure, name, str(task), "per_language", title, caption, alt, folded=index > 0)


def _gain(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_gain

    single = table[table["eval_language"] != MEAN]
    if single.empty:
        return
    means = table[(table["eval_language"] == MEAN) & (table["exposure"] != "english")]
    shown = _score_text("gain", signed=True)
    alt = "Gain in each language."
    for exposure, rows in means.groupby("exposure", sort=False):
        alt += " " + _curve_ends(rows, "gain", shown, f"mean gain of {exposure} languages")
    title, caption, _ = words_of("figures", "gain")
    yield Exhibit(plot_gain(single), "gain", "gain", "gain", title, caption, alt)


def _correlation(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_transfer_correlation

    table = table.dropna(subset=["seen", "unseen"])
    runs = table.groupby(["task", "model"], sort=False)["seen"].transform("size")
    table = table[runs >= _FEWEST_RUNS]
    if table.empty:
        return
    name, figure = "transfer_correlation", plot_transfer_correlation(table)
    title, caption, _ = words_of("figures", name)
    alt = "Mean score of the unseen languages against that of the seen languages. The numbers are in the table."
    yield Exhibit(figure, name, "correlation", "seen_unseen", title, caption, alt)


def _score_text(name: str, *, signed: bool = False) -> Callable[[Row], str]:
    return lambda row: NumberFormat.of(metric(row["metric"]), signed=signed).text(row[name])


def _curve_ends(table: pd.DataFrame, column: str, shown: Callable[[Row], str], name: str = "") -> str:
    """Returns sentences with the first and the last value of the first few curves, called `name` or as the column."""
    labels = curve_labels(table)
    sentences = []
    for (task, *_), rows in table.groupby(["task", "model", "setting", "train_languages"], sort=False):
        known = rows[rows[column].notna()]
        if len(known):
            rows_shown = known.iloc[[0, -1]].to_dict("records")
            ends = " to ".join(f"{shown(row)} at {count_label(row['samples_per_language'])}" for row in rows_shown)
            curve = f"{task_label(str(task))} {labels[key_of(known.iloc[0])]}"
            sentences.append(f"{curve}, {name or column.replace('_', ' ')}: {ends}.")
    return " ".join(sentences[:_MOST_CURVES_READ])


@dataclass(frozen=True)
class Forest:
    """A forest plot of a table's estimates, which the page shows where the table has rows."""

    table: str
    """Name of the table; `words.yaml` has title and caption of the figure under the same name."""
    section: str
    largest: bool = True
    """Whether only the largest n of each curve is drawn."""
    headline_only: bool = False
    """Whether only the curves that represent their task and model are drawn."""


FORESTS: Final = (
    Forest("interference", COMPARISONS, largest=False),
    Forest("gain_over_runs", "chance"),
    Forest("peaks", "chance", largest=False),
    Forest("leave_one_out", "leave-one-out", headline_only=True),
    Forest("equal_volume", "volume"),
    Forest("follow_rates", "boundary", largest=False),
)


def measure_exhibits(tables: Tables, headline: Sequence[Curve], shown: Sequence[Section]) -> list[Exhibit]:
    """Returns the figures of the measures that belong to one of the shown sections."""
    names = {COMPARISONS, *(section.name for section in shown)}
    forests = [forest for forest in FORESTS if forest.section in names]
    drawn = [figure for forest in forests for figure in _forest(forest, tables[forest.table], headline)]
    return [*drawn, *_sources(tables["source_to_target"])]


def _forest(forest: Forest, table: pd.DataFrame, headline: Sequence[Curve]) -> Iterator[Exhibit]:
    """Yields one figure, or one per model where one would be too long, or none where that is still too long."""
    from clt_ray.analysis.plots import plot_estimates
    from clt_ray.analysis.plots.estimate_rows import fits

    if forest.headline_only:
        table = of_curves(table, headline)
    if forest.largest and len(table):
        table = at_largest(table)
    if table.empty:
        return
    parts = {"": table} if fits(table) else {str(model): rows for model, rows in table.groupby("model", sort=False)}
    drawn = {model: rows for model, rows in parts.items() if fits(rows)}
    name = forest.table
    title, caption, _ = words_of("figures", name)
    for index, (model, rows) in enumerate(drawn.items()):
        clear = sum(map(excludes_zero, rows.to_dict("records")))
        alt = (
            f"{title}: {counted(len(rows), 'estimate')}, of which {clear} with an interval that excludes zero. The "
            "numbers are in the table."
        )
        stem, heading = (f"{name}_{slug(model)}", f"{title}, {model}") if model else (name, title)
        yield Exhibit(plot_estimates(rows), stem, forest.section, name, heading, caption, alt, folded=index > 0)


def _sources(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_source_to_target

    if table.empty:
        return
    best = table.sort_values("gain", ascending=False).iloc[0]
    alt = (
        f"Gains from language to language; the largest is from {language_name(best['source'])} to "
        f"{language_name(best['target'])}. The numbers are in the table."
    )
    name = "source_to_target"
    title, caption, _ = words_of("figures", name)
    yield Exhibit(plot_source_to_target(table), name, "sources", name, title, caption, alt)
