"""The page's figures with their titles, captions and text alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pandas as pd
from markupsafe import Markup

from clt_ray import analysis
from clt_ray.analysis.gradient_agreement import ITSELF, RELATIONS
from clt_ray.analysis.labels import count_label, curve_labels, key_of, language_name, training_label
from clt_ray.analysis.mechanisms import Mechanisms
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import Curve
from clt_ray.analysis.table_columns import curve_columns
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report.columns import NumberFormat, excludes_zero
from clt_ray.html_report.svg import figure_svg, inline
from clt_ray.html_report.tables import CURVE, Tables, at_largest
from clt_ray.html_report.text import counted, number, percent, slug, words, words_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CURVES_READ = 8
"""A text alternative describes at most this many curves; the others are in the table."""
IN_TABLE: Final = "The numbers are in the table."


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
    """Returns the figures of scores and measures; `headline` are the curves that represent a task and model, and
    `reference` is another study's `relative_to_english`, drawn thinly."""
    forests = [name for name, declared in words()["figures"].items() if "forest" in declared]
    return [
        *_relative(tables["relative_to_english"], reference),
        *_seen_unseen(tables["seen_unseen"]),
        *_per_language(tables["per_language"]),
        *(figure for name in forests for figure in _forest(name, tables[name], headline)),
        *_sources(tables["source_to_target"]),
    ]


def curve_words(row: pd.Series) -> str:
    """Returns the model and the training languages of a row: `llama-3.1-8b, es fr ja zh`."""
    return f"{row['model']}, {training_label(str(row['train_languages']))}"


def _relative(table: pd.DataFrame, reference: pd.DataFrame | None) -> Iterator[Exhibit]:
    table = table[table["relative_to_english"].notna()]
    if table.empty:
        return
    name = "relative_to_english"
    title, caption, _ = words_of("figures", name)
    caption += " Thin lines: the reference study." if reference is not None else ""
    ends = _curve_ends(table, name, percent)
    alt = f"Mean of the non-English languages as a share of the English score, over samples per language. {ends}"
    yield Exhibit(
        analysis.plots.plot_relative_to_english(table, reference), name, "overview", name, title, caption, alt
    )


def _seen_unseen(table: pd.DataFrame) -> Iterator[Exhibit]:
    title, caption, _ = words_of("figures", "seen_unseen")
    for task, rows in table.groupby("task", sort=False):
        score_metric = metric(str(rows["metric"].iloc[0]))
        ends = " ".join(_curve_ends(rows, name, NumberFormat.of(score_metric).text) for name in ("seen", "unseen"))
        alt = f"{task_label(str(task))}: {score_metric.label} over samples per language. {ends}"
        name = f"seen_unseen_{slug(str(task))}"
        yield Exhibit(analysis.plots.plot_seen_unseen(rows), name, str(task), "seen_unseen", title, caption, alt)


def _curve_ends(table: pd.DataFrame, column: str, shown: Callable[[float], str]) -> str:
    """Returns sentences with the first and the last value of the first few curves."""
    labels = curve_labels(table)
    sentences = []
    for (task, *_), rows in table.groupby(["task", "model", "setting", "train_languages"], sort=False):
        known = rows[rows[column].notna()]
        if len(known):
            points = known.iloc[[0, -1]][[column, "samples_per_language"]].itertuples(index=False, name=None)
            ends = " to ".join(f"{shown(value)} at {count_label(samples)}" for value, samples in points)
            curve = f"{task_label(str(task))} {labels[key_of(known.iloc[0])]}"
            sentences.append(f"{curve}, {column.replace('_', ' ')}: {ends}.")
    return " ".join(sentences[:_MOST_CURVES_READ])


def _per_language(table: pd.DataFrame) -> Iterator[Exhibit]:
    """Yields the figures of the first curve of each task and model, which are collapsed from the second model on."""
    for task, task_rows in table.groupby("task", sort=False):
        several_models = task_rows["model"].nunique() > 1
        for index, (model, model_rows) in enumerate(task_rows.groupby("model", sort=False)):
            _, rows = next(iter(model_rows.groupby(CURVE, sort=False)))
            name = f"per_language_{slug(str(task))}" + (f"_{slug(str(model))}" if several_models else "")
            title, caption, _ = words_of("figures", "per_language")
            caption = f"{curve_words(rows.iloc[0])}. {caption}"
            languages = ", ".join(language_name(code) for code in rows["eval_language"].unique())
            alt = f"{task_label(str(task))} over samples per language, one panel per language: {languages}. {IN_TABLE}"
            title += f", {model}" if several_models else ""
            figure = analysis.plots.plot_per_language(rows)
            yield Exhibit(figure, name, str(task), "per_language", title, caption, alt, folded=index > 0)


def _forest(name: str, table: pd.DataFrame, headline: Sequence[Curve]) -> Iterator[Exhibit]:
    """Yields one figure, or one per model where one would be too long, or none where that is still too long."""
    from clt_ray.analysis.plots.estimate_rows import fits

    declared = words()["figures"][name]["forest"]
    if "eval_language" in table:
        table = table[table["eval_language"] != MEAN]
    if declared.get("headline_only"):
        shown = pd.DataFrame(list(map(curve_columns, headline)), columns=CURVE)
        table = table.reset_index(drop=True).merge(shown, on=CURVE)
    if declared.get("largest") and len(table):
        table = at_largest(table)
    if table.empty:
        return
    parts = {"": table} if fits(table) else {str(model): rows for model, rows in table.groupby("model", sort=False)}
    drawn = {model: rows for model, rows in parts.items() if fits(rows)}
    title, caption, _ = words_of("figures", name)
    for index, (model, rows) in enumerate(drawn.items()):
        clear = sum(map(excludes_zero, rows.to_dict("records")))
        estimates = f"{counted(len(rows), 'estimate')}, of which {clear} with an interval that excludes zero"
        alt = f"{title.removesuffix('?')}: {estimates}. {IN_TABLE}"
        stem, heading = (f"{name}_{slug(model)}", f"{title}, {model}") if model else (name, title)
        figure = analysis.plots.plot_estimates(rows)
        yield Exhibit(figure, stem, declared["section"], name, heading, caption, alt, folded=index > 0)


def _sources(table: pd.DataFrame) -> Iterator[Exhibit]:
    if table.empty:
        return
    best = table.sort_values("gain", ascending=False).iloc[0]
    source, target = language_name(best["source"]), language_name(best["target"])
    alt = f"Gains from language to language; the largest is from {source} to {target}. {IN_TABLE}"
    name = "source_to_target"
    title, caption, _ = words_of("figures", name)
    yield Exhibit(analysis.plots.plot_source_to_target(table), name, "sources", name, title, caption, alt)


MECHANISMS: Final = "mechanisms"
"""Name of the section that shows the figures of what runs recorded during training."""
_DESIGN: Final = ["model", "mixture", "train_languages"]
"""One run of each of these is drawn."""


def mechanism_exhibits(recorded: Mechanisms) -> list[Exhibit]:
    """Returns figures of one mixed run per model, mixture and language group: the one with most samples, first seed."""
    losses = [figure for run in _shown(recorded.trajectories) for figure in _losses(recorded.trajectories, run)]
    return losses + [figure for run in _shown(recorded.gradient_pairs) for figure in _gradient_agreement(recorded, run)]


def _shown(table: pd.DataFrame) -> list[pd.Series]:
    """Returns the first row of each run to show; runs in English only are shown where there are no others."""
    mixed = table[table["setting"] == "multi"].drop_duplicates("run_id")
    multilingual = mixed[mixed["train_languages"] != ""]
    mixed = mixed if multilingual.empty else multilingual
    ordered = mixed.sort_values(["samples_per_language", "seed", "run_id"], ascending=[False, True, True])
    chosen = ordered.drop_duplicates(_DESIGN)
    return [row for _, row in mixed[mixed["run_id"].isin(chosen["run_id"])].iterrows()]


def _described(run: pd.Series) -> str:
    return f"{curve_words(run)}, n = {run['samples_per_language']:,}"


def _stem(run: pd.Series) -> str:
    return slug("-".join(str(run[name]) for name in _DESIGN))


def _losses(table: pd.DataFrame, run: pd.Series) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots.mechanisms import plot_trajectories

    for task in str(run["mixture"]).split("+"):
        task_rows = table[table["task"] == task]
        mixed = task_rows[task_rows["run_id"] == run["run_id"]]
        if mixed.empty:
            continue
        twin = task_rows[task_rows["run_id"] == mixed["alone_run_id"].iloc[0]]
        caption = f"{_described(run)}. Validation loss of {task_label(task).lower()} in the run on mixed tasks"
        caption += "; grey: in the single-task run, at as many rows of the task." if len(twin) else "."
        caption += " Dots mark the lowest loss. Dashed lines: the language is not in the training data."
        last = mixed.sort_values("step").groupby("eval_language", sort=False)["loss"].last()
        ends = ", ".join(f"{language_name(str(code))} {number(loss, 2)}" for code, loss in last.items())
        alt = f"{task_label(task)}, validation loss at the end of training: {ends}. {IN_TABLE}"
        name, title = f"trajectories_{_stem(run)}_{slug(task)}", f"{task_label(task)}: validation loss with mixed tasks"
        figure = plot_trajectories(pd.concat([mixed, twin]))
        yield Exhibit(figure, name, MECHANISMS, "trajectories", title, caption, alt)


def _gradient_agreement(recorded: Mechanisms, run: pd.Series) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots.matrices import plot_gradient_agreement

    pairs = recorded.gradient_pairs[recorded.gradient_pairs["run_id"] == run["run_id"]]
    if (pairs["relation"] == ITSELF).all():
        return
    agreement = recorded.gradient_agreement
    means = agreement[agreement["run_id"] == run["run_id"]].set_index("relation")
    cosines = [f"{kind} {number(means.loc[kind, 'cosine'], 2)}" for kind in RELATIONS if kind in means.index]
    alt = f"Mean cosine similarity of gradients: {', '.join(cosines)}. {IN_TABLE}"
    title, caption, _ = words_of("figures", "gradient_agreement")
    stem, described = f"gradient_agreement_{_stem(run)}", f"{_described(run)}. {caption}"
    yield Exhibit(plot_gradient_agreement(pairs), stem, MECHANISMS, "gradient_pairs", title, described, alt)
