"""Figures of what may explain interference between tasks: losses on mixed tasks, agreement of gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from clt_ray.analysis.display_order import language_list, language_name
from clt_ray.analysis.gradient_agreement import ITSELF, RELATIONS, by_step
from clt_ray.analysis.mechanisms import Mechanisms
from clt_ray.analysis.metrics import task_label
from clt_ray.html_report.figures import Exhibit, Place, Words, exhibit
from clt_ray.html_report.text import number, slug

SECTION: Final = "mechanisms"
"""Name of the section that shows these figures."""
_DESIGN: Final = ["model", "mixture", "train_languages"]
"""One run of each of these is drawn."""


def mechanism_exhibits(recorded: Mechanisms) -> list[Exhibit]:
    """Returns figures of one mixed run per model, mixture and language group: the one with most samples, first seed.

    Args:
        recorded: From `clt_ray.analysis.mechanisms.mechanisms`; empty tables give no figures.
    """
    losses = [figure for run in _shown(recorded.trajectories) for figure in _losses(recorded.trajectories, run)]
    agreement = [figure for run in _shown(recorded.gradient_pairs) for figure in _gradient_agreement(recorded, run)]
    return [*losses, *agreement]


def _shown(table: pd.DataFrame) -> list[pd.Series]:
    """Returns the first row of each run to show; runs in English only are shown where there are no others."""
    mixed = table[table["setting"] == "multi"].drop_duplicates("run_id")
    multilingual = mixed[mixed["train_languages"] != ""]
    mixed = mixed if multilingual.empty else multilingual
    ordered = mixed.sort_values(["samples_per_language", "seed", "run_id"], ascending=[False, True, True])
    chosen = ordered.drop_duplicates(_DESIGN)
    return [row for _, row in mixed[mixed["run_id"].isin(chosen["run_id"])].iterrows()]


def _described(run: pd.Series) -> str:
    trained = str(run["train_languages"])
    languages = language_list(trained.split("+")) if trained else "English only"
    return f"{run['model']}, {languages}, n = {run['samples_per_language']:,}"


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
        alt = f"{task_label(task)}, validation loss at the end of training: {ends}. The numbers are in the table."
        words = Words(f"{task_label(task)}: validation loss with mixed tasks", caption, alt)
        place = Place(f"trajectories_{_stem(run)}_{slug(task)}", SECTION, "trajectories")
        yield exhibit(plot_trajectories(pd.concat([mixed, twin])), place, words)


def _gradient_agreement(recorded: Mechanisms, run: pd.Series) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots.mechanisms import plot_gradient_agreement, plot_gradient_agreement_over_steps

    pairs = recorded.gradient_pairs[recorded.gradient_pairs["run_id"] == run["run_id"]]
    if (pairs["relation"] == ITSELF).all():
        return
    run_means = recorded.gradient_agreement[recorded.gradient_agreement["run_id"] == run["run_id"]]
    means = run_means.set_index("relation")
    cosines = [f"{kind} {number(means.loc[kind, 'cosine'], 2)}" for kind in RELATIONS if kind in means.index]
    alt = f"Mean cosine similarity of gradients: {', '.join(cosines)}. The numbers are in the table."
    matrix = Words(
        "Gradient agreement of tasks and languages",
        f"{_described(run)}. Cosine similarity of the gradients of two task-language pairs, averaged over the measured "
        "steps. Blue: a step that lowers the loss of one also lowers that of the other; orange: it raises it. Gradient "
        "noise biases all values towards 0; the diagonal, which compares two halves of the same rows, shows by how "
        "much.",
        alt,
    )
    yield exhibit(
        plot_gradient_agreement(pairs), Place(f"gradient_agreement_{_stem(run)}", SECTION, "gradient_pairs"), matrix
    )
    curve = Words(
        "Gradient agreement over training",
        f"{_described(run)}. Mean cosine similarity over training steps for the same task in two languages, the same "
        "language in two tasks, and pairs that share neither. Bands are 95% intervals over languages.",
        alt,
    )
    place = Place(f"gradient_agreement_steps_{_stem(run)}", SECTION, "gradient_pairs")
    yield exhibit(plot_gradient_agreement_over_steps(by_step(pairs)), place, curve)
