"""Which figures the page shows, with the words around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import Markup

from clt_ray.analysis.curve_labels import curve_labels, key_of
from clt_ray.analysis.display_order import count_label, language_name
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import Curve
from clt_ray.analysis.tables import MEAN
from clt_ray.report.svg import figure_png, figure_svg, inline
from clt_ray.report.text import number, percent, slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Exhibit:
    """A figure of the page."""

    name: str
    """Stem of its files, unique."""
    section: str
    """Task it belongs to, or "overview", "gain" or "correlation"."""
    title: str
    caption: str
    table: str
    """The CSV file with its numbers."""
    folded: bool
    """Closed until the reader opens it."""
    svg: str
    """Stand-alone file."""
    png: bytes | None
    """The same for slides; None for folded figures, which are many."""
    element: Markup
    """For the page."""


def exhibits(tables: Tables, headline: Sequence[Curve], reference: pd.DataFrame | None = None) -> list[Exhibit]:
    """All figures that the tables allow.

    Args:
        tables: From `clt_ray.analysis.tables`, by name.
        headline: Curves that speak for their task and model.
        reference: `relative_to_english` of another study, drawn thin behind.
    """
    return [
        *_relative(tables["relative_to_english"], reference),
        *_seen_unseen(tables["seen_unseen"]),
        *_per_language(tables["per_language"]),
        *_gain(of_curves(tables["gain"], headline)),
        *_correlation(of_curves(tables["seen_unseen"], headline)),
    ]


def exhibit(
    figure: Figure, name: str, section: str, title: str, caption: str, alt: str, table: str, folded: bool = False
) -> Exhibit:
    """A figure written in all its formats; the arguments are fields of `Exhibit`, and the text that is read out."""
    svg = figure_svg(figure, name)
    png = None if folded else figure_png(figure)
    return Exhibit(name, section, title, caption, table, folded, svg, png, inline(svg, name, alt))


def _relative(table: pd.DataFrame, reference: pd.DataFrame | None) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_relative_to_english

    table = table[table["relative_to_english"].notna()]
    if table.empty:
        return
    caption = "Mean of all other evaluation languages as a share of the English score of the same run. At 100% there "
    caption += "is no gap to English." + (" Thin lines: the reference study." if reference is not None else "")
    alt = _alt("Share of the English score over samples per language.", table, "relative_to_english", percent)
    yield exhibit(plot_relative_to_english(table, reference), "relative_to_english", "overview",
                   "How near the other languages come to English", caption, alt, "relative_to_english")  # fmt: skip


def _seen_unseen(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_seen_unseen

    for task, rows in table.groupby("task", sort=False):
        about = metric(str(rows["metric"].iloc[0]))

        def shown(value: float, factor: float = about.shown_factor, digits: int = about.digits) -> str:
            return number(value * factor, digits)

        alt = _alt(f"{task_label(str(task))}: {about.label} over samples per language.", rows, "seen", shown)
        alt = _alt(alt, rows, "unseen", shown)
        caption = "Solid: mean of the languages trained on. Dashed, open dots: mean of those never trained on. Grey: "
        caption += "English, which is in every mixture. Bands are 95% intervals where they are known."
        yield exhibit(plot_seen_unseen(rows), f"seen_unseen_{slug(str(task))}", str(task),
                       "Seen and unseen languages", caption, alt, "seen_unseen")  # fmt: skip


def _per_language(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_per_language
    from clt_ray.analysis.plots.languages import MAX_CURVES

    for task, rows in table.groupby("task", sort=False):
        first = str(rows["model"].iloc[0])
        several = rows["model"].nunique() > 1
        for model, own in rows.groupby("model", sort=False):
            name = f"per_language_{slug(str(task))}" + (f"_{slug(str(model))}" if several else "")
            left_out = len(curve_labels(own)) - MAX_CURVES
            caption = "Each language in a panel of its own, on one scale. Solid: the runs trained on it. Dashed, open "
            caption += "dots: they did not." + (f" {left_out} further curves are in the table." if left_out > 0 else "")
            languages = ", ".join(language_name(code) for code in own["eval_language"].unique())
            alt = f"{task_label(str(task))} per language over samples per language: {languages}. Numbers in the table."
            title = f"Every language, {model}" if several else "Every language"
            yield exhibit(plot_per_language(own), name, str(task), title, caption, alt, "per_language",
                           folded=str(model) != first)  # fmt: skip


def _gain(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_gain

    single = table[table["eval_language"] != MEAN]
    if single.empty:
        return
    caption = "Score at the largest n minus score at n = 0, per language. Filled: trained on. Open: never trained on. "
    caption += "Whiskers are 95% intervals where they are known; one that crosses the line at 0 is no clear change."
    alt = _alt("Gain per language.", table[table["eval_language"] == MEAN], "gain", lambda value: f"{value:.3g}")
    yield exhibit(plot_gain(single), "gain", "gain", "What each language gained", caption, alt, "gain")


def _correlation(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_transfer_correlation

    table = table.dropna(subset=["seen", "unseen"])
    sizes = table.groupby(["task", "model"], sort=False)["seen"].transform("size")
    table = table[sizes >= 3]
    if table.empty:
        return
    caption = "A dot per run, joined in order of n. Where a path climbs to the right, what helps the languages trained "
    caption += "on helps the others too. On the grey line both do equally well."
    alt = "Mean score of unseen languages against that of seen languages, run by run. Numbers in the table."
    yield exhibit(plot_transfer_correlation(table), "transfer_correlation", "correlation",
                   "Do unseen languages follow the seen ones?", caption, alt, "seen_unseen")  # fmt: skip


def _alt(start: str, table: pd.DataFrame, column: str, shown: object) -> str:
    """The text with, per curve, where a column starts and ends; cut after a few curves."""
    assert callable(shown)
    labels = curve_labels(table)
    told = []
    for (task, *_), rows in table.groupby(["task", "model", "setting", "train_languages"], sort=False):
        known = rows[rows[column].notna()]
        if len(known):
            ends = known.iloc[[0, -1]]
            told.append(
                f"{task_label(str(task))} {labels[key_of(known.iloc[0])]} {column.replace('_', ' ')}: "
                + " to ".join(f"{shown(row[column])} at {count_label(row['samples_per_language'])}"
                              for row in ends.to_dict("records"))
            )  # fmt: skip
    return " ".join([start, *(f"{part}." for part in told[:8])])


def of_curves(table: pd.DataFrame, curves: Sequence[Curve]) -> pd.DataFrame:
    """Rows of these curves."""
    wanted = {
        (curve.task, curve.model, curve.setting, curve.mixture, curve.language_group, "+".join(curve.train_languages))
        for curve in curves
    }
    columns = ["task", "model", "setting", "mixture", "language_group", "train_languages"]
    kept = [key in wanted for key in table[columns].itertuples(index=False, name=None)]
    return table[pd.Series(kept, index=table.index, dtype=bool)]
