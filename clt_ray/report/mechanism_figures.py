"""Figures of the mechanisms of interference for the page: losses while mixing, agreement of gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from clt_ray.analysis.display_order import language_list
from clt_ray.analysis.gradient_agreement import ITSELF, RELATIONS, by_step
from clt_ray.analysis.mechanisms import Mechanisms
from clt_ray.analysis.metrics import task_label
from clt_ray.report.figures import Exhibit
from clt_ray.report.svg import figure_png, figure_svg, inline
from clt_ray.report.text import number, slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTION = "mechanisms"
_CURVE = ["model", "mixture", "train_languages"]


def mechanism_exhibits(found: Mechanisms) -> list[Exhibit]:
    """Figures of one mixed run per model, mixture and language group: the one with most samples, its first seed.

    Args:
        found: From `clt_ray.analysis.mechanisms.mechanisms`; empty tables give no figures.
    """
    exhibits: list[Exhibit] = []
    for run in _shown(found.trajectories):
        exhibits += _losses(found.trajectories, run)
    for run in _shown(found.gradient_pairs):
        exhibits += _agreement(found, run)
    return exhibits


def _shown(table: pd.DataFrame) -> list[pd.Series]:
    """The first row of the runs to show; runs in English alone only where there are no others."""
    mixed = table[table["setting"] == "multi"].drop_duplicates("run_id")
    others = mixed[mixed["train_languages"] != ""]
    mixed = mixed if others.empty else others
    ordered = mixed.sort_values(["samples_per_language", "seed", "run_id"], ascending=[False, True, True])
    chosen = ordered.drop_duplicates(_CURVE)
    return [row for _, row in mixed[mixed["run_id"].isin(chosen["run_id"])].iterrows()]


def _about(run: pd.Series) -> str:
    languages = language_list(str(run["train_languages"]).split("+")) if run["train_languages"] else "English only"
    return f"{run['model']}, {languages}, n = {run['samples_per_language']:,}"


def _losses(table: pd.DataFrame, run: pd.Series) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots.mechanisms import plot_trajectories

    for task in str(run["mixture"]).split("+"):
        own = table[(table["run_id"] == run["run_id"]) & (table["task"] == task)]
        if own.empty:
            continue
        twin = table[(table["run_id"] == own["alone_run_id"].iloc[0]) & (table["task"] == task)]
        caption = f"{_about(run)}. Validation loss of {task_label(task).lower()} in the mixture"
        caption += ", grey: of the run on this task alone, at as many rows of it." if len(twin) else "."
        caption += " Dots: the lowest loss. Dashed: languages that were not trained on."
        last = own.sort_values("step").groupby("eval_language", sort=False)["loss"].last()
        alt = f"{task_label(task)} loss at the end: "
        alt += ", ".join(f"{code} {number(loss, 2)}" for code, loss in last.items()) + ". Numbers in the table."
        title = f"{task_label(task)} while tasks are mixed"
        yield _exhibit(plot_trajectories(pd.concat([own, twin])), f"trajectories_{_stem(run)}_{slug(task)}", title,
                       caption, alt, "trajectories")  # fmt: skip


def _agreement(found: Mechanisms, run: pd.Series) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots.mechanisms import plot_agreement, plot_agreement_over_steps

    pairs = found.gradient_pairs[found.gradient_pairs["run_id"] == run["run_id"]]
    if (pairs["relation"] == ITSELF).all():
        return
    means = found.gradient_agreement[found.gradient_agreement["run_id"] == run["run_id"]].set_index("relation")
    told = [f"{kind} {number(means.loc[kind, 'cosine'], 2)}" for kind in RELATIONS if kind in means.index]
    alt = f"Mean cosine of gradients: {', '.join(told)}. Numbers in the table."
    caption = f"{_about(run)}. Cosine of the gradients of two cells, mean over the steps measured: blue where a step "
    caption += "for one also lowers the loss of the other, orange where it raises it. Noise draws all of them towards "
    caption += "0; the diagonal, two halves of the same rows, shows by how much."
    yield _exhibit(plot_agreement(pairs), f"gradient_agreement_{_stem(run)}", "Do gradients agree?", caption, alt,
                   "gradient_pairs")  # fmt: skip
    caption = f"{_about(run)}. The same over training: same task in other languages, same language in other tasks, "
    caption += "neither. Bands are 95% intervals over languages."
    yield _exhibit(plot_agreement_over_steps(by_step(pairs)), f"gradient_agreement_steps_{_stem(run)}",
                   "Agreement over training", caption, alt, "gradient_pairs")  # fmt: skip


def _stem(run: pd.Series) -> str:
    return slug("-".join(str(run[name]) for name in _CURVE))


def _exhibit(figure: Figure, name: str, title: str, caption: str, alt: str, table: str) -> Exhibit:
    svg = figure_svg(figure, name)
    return Exhibit(name, SECTION, title, caption, table, False, svg, figure_png(figure), inline(svg, name, alt))
