"""Sections and figures of what runs recorded during training: validation losses and gradient agreement."""

from collections.abc import Iterator, Mapping
from typing import Final

import pandas as pd

from clt_ray.analysis.gradient_agreement import ITSELF, RELATIONS, WITHIN_LANGUAGE, WITHIN_TASK, by_step
from clt_ray.analysis.labels import language_list, language_name
from clt_ray.analysis.loss_trajectories import FALLING
from clt_ray.analysis.mechanisms import ALL_TASKS, INTERFERENCE, LOSS_DIFFERENCE, Mechanisms
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.html_report import columns
from clt_ray.html_report.columns import (
    CURVE,
    EXPOSURE,
    MODEL,
    SAMPLES,
    SEED,
    TRAINED_ON,
    Cell,
    Column,
    NumberFormat,
    Row,
    TableSpec,
    text_cell,
)
from clt_ray.html_report.figures import Exhibit
from clt_ray.html_report.sections import Section
from clt_ray.html_report.text import counted, number, slug, words_of

SECTION: Final = "mechanisms"
"""Name of the section that shows these figures."""
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
        name, title = f"trajectories_{_stem(run)}_{slug(task)}", f"{task_label(task)}: validation loss with mixed tasks"
        yield Exhibit(plot_trajectories(pd.concat([mixed, twin])), name, SECTION, "trajectories", title, caption, alt)


def _gradient_agreement(recorded: Mechanisms, run: pd.Series) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots.matrices import plot_gradient_agreement
    from clt_ray.analysis.plots.mechanisms import plot_gradient_agreement_over_steps

    pairs = recorded.gradient_pairs[recorded.gradient_pairs["run_id"] == run["run_id"]]
    if (pairs["relation"] == ITSELF).all():
        return
    agreement = recorded.gradient_agreement
    means = agreement[agreement["run_id"] == run["run_id"]].set_index("relation")
    cosines = [f"{kind} {number(means.loc[kind, 'cosine'], 2)}" for kind in RELATIONS if kind in means.index]
    alt = f"Mean cosine similarity of gradients: {', '.join(cosines)}. The numbers are in the table."
    figures = {
        "gradient_agreement": plot_gradient_agreement(pairs),
        "gradient_agreement_steps": plot_gradient_agreement_over_steps(by_step(pairs)),
    }
    for name, figure in figures.items():
        title, caption, _ = words_of("figures", name)
        stem, described = f"{name}_{_stem(run)}", f"{_described(run)}. {caption}"
        yield Exhibit(figure, stem, SECTION, "gradient_pairs", title, described, alt)


_OUTCOMES: Final = {LOSS_DIFFERENCE: "Validation loss, mixed − single", INTERFERENCE: "Score, mixed − single"}
_COSINE: Final = NumberFormat(2, signed=True)


def _association_task(row: Row) -> Cell:
    return text_cell("All tasks", -1.0) if row["task"] == ALL_TASKS else columns.task_cell(row["task"])


LOSSES: Final = TableSpec("loss_differences", (
    *CURVE, SAMPLES, SEED, EXPOSURE, columns.counts("Rows of the task", "task_rows"),
    columns.estimates("Loss difference", "difference", NumberFormat(3, signed=True)),
))  # fmt: skip
GRADIENT_AGREEMENT: Final = TableSpec("gradient_agreement", (
    Column("Tasks", lambda row: text_cell(" + ".join(map(task_label, row["mixture"].split("+"))))), MODEL, TRAINED_ON,
    SAMPLES, SEED, Column("Compared pairs", lambda row: text_cell(row["relation"], RELATIONS.index(row["relation"]))),
    columns.estimates("Cosine", "cosine", _COSINE, bold=columns.excludes_zero),
    columns.estimates("Corrected", "corrected", _COSINE, "corrected_", columns.excludes_zero),
    columns.counts("Comparisons", "n"), columns.counts("Steps", "steps"),
))  # fmt: skip
ASSOCIATION: Final = TableSpec("association", (
    Column("Outcome", lambda row: text_cell(_OUTCOMES[row["outcome"]])), Column("Task", _association_task),
    columns.estimates("Spearman ρ", "spearman", _COSINE, bold=columns.excludes_zero), columns.counts("Cases", "n"),
))  # fmt: skip


def mechanism_frames(recorded: Mechanisms) -> dict[str, pd.DataFrame]:
    """Returns the data frames behind figures and tables that have rows, by the names of their CSV files."""
    return {name: frame for name, frame in vars(recorded).items() if len(frame)}


def mechanism_sections(recorded: Mechanisms) -> list[Section]:
    """Returns one section where mixed runs have a single-task twin or measured gradients, else none."""
    association = recorded.association
    tables = (
        LOSSES.of(recorded.loss_differences),
        GRADIENT_AGREEMENT.of(recorded.gradient_agreement),
        ASSOCIATION.of(association[association["spearman"].notna()]),
    )
    shown = tuple(table for table in tables if table.rows)
    if not shown:
        return []
    sentences = {"losses": _stalled_losses(recorded), "cosines": _mean_cosines(recorded)}
    return [Section.of(SECTION, *shown, values=sentences | {"association": _association(recorded)})]


def _stalled_losses(recorded: Mechanisms) -> str:
    turns = recorded.turning_points
    both = turns[(turns["setting"] == "multi") & turns["alone_course"].notna() & (turns["exposure"] != "unseen")]
    if both.empty:
        return ""
    stalled = int(((both["course"] != FALLING) & (both["alone_course"] == FALLING)).sum())
    losses = counted(len(both), "validation loss", "validation losses")
    return (
        f"Of {losses} in languages of the training data, {stalled} had stopped falling by the end of the run on mixed "
        "tasks while still falling in the single-task run."
    )


def _mean_cosines(recorded: Mechanisms) -> str:
    frame = recorded.gradient_agreement
    means = frame[frame["setting"] == "multi"].groupby("relation")["cosine"].mean()
    if not {WITHIN_TASK, WITHIN_LANGUAGE} <= set(means.index):
        return ""
    task, language = (number(float(means[kind]), 2) for kind in (WITHIN_TASK, WITHIN_LANGUAGE))
    return (
        f"The gradients of one task in two languages have a mean cosine similarity of {task}, those of two tasks in "
        f"one language {language}."
    )


def _association(recorded: Mechanisms) -> str:
    frame = recorded.association
    rows = frame[(frame["task"] == ALL_TASKS) & (frame["outcome"] == LOSS_DIFFERENCE) & frame["spearman"].notna()]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    if columns.excludes_zero(row.to_dict()):
        change = "less" if row["high"] < 0 else "more"
        return f"Tasks whose gradients agree more with those of the other tasks lose {change} by mixing."
    cases = counted(int(row["n"]), "case")
    return f"{cases} do not suffice to relate gradient agreement to the effect of mixing: the interval includes zero."


CORRELATIONS: Final = TableSpec("transfer_correlation_over_runs", (
    *CURVE,
    Column("Metric", lambda row: text_cell("loss" if row["metric"] == "loss" else metric(row["metric"]).label)),
    columns.counts("Runs", "n"), columns.counts("Checkpoints", "checkpoints"),
    columns.estimates("Spearman ρ", "spearman", _COSINE),
    columns.estimates("ρ of changes", "of_changes", _COSINE, "changes_"),
))  # fmt: skip


def checkpoint_sections(tables: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Returns one section where runs were validated on seen and unseen languages, else none."""
    frame = tables.get("transfer_correlation_checkpoints", pd.DataFrame(columns=["metric", "spearman"]))
    losses = frame[(frame["metric"] == "loss") & frame["spearman"].notna()]
    if losses.empty:
        return []
    medians = {"levels": losses["spearman"].median(), "changes": losses["of_changes"].median()}
    values = {name: number(value, 2) for name, value in medians.items()}
    values["runs"] = counted(losses["run_id"].nunique(), "run")
    shown = CORRELATIONS.of(tables["transfer_correlation_over_runs"])
    return [Section.of("checkpoints", shown, values=values)]
