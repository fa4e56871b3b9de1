"""The section on what runs recorded during training: validation losses and gradient agreement with mixed tasks."""

from __future__ import annotations

from typing import Final

import pandas as pd

from clt_ray.analysis.gradient_agreement import RELATIONS, WITHIN_LANGUAGE, WITHIN_TASK
from clt_ray.analysis.loss_trajectories import FALLING
from clt_ray.analysis.mechanisms import ALL_TASKS, INTERFERENCE, LOSS_DIFFERENCE, Mechanisms
from clt_ray.analysis.metrics import task_label
from clt_ray.html_report.cells import Cell, NumberFormat, text_cell
from clt_ray.html_report.declared_tables import (
    CURVE,
    EXPOSURE,
    MODEL,
    SAMPLES,
    SEED,
    TRAINED_ON,
    Column,
    Row,
    TableSpec,
    counts,
    estimates,
    excludes_zero,
    task_cell,
)
from clt_ray.html_report.mechanism_figures import SECTION
from clt_ray.html_report.sections import Section
from clt_ray.html_report.text import counted, number

_OUTCOMES: Final = {
    LOSS_DIFFERENCE: "Validation loss, mixed − single",
    INTERFERENCE: "Score, mixed − single",
}
_COSINE: Final = NumberFormat(2, signed=True)


def _excludes_zero_corrected(row: Row) -> bool:
    return excludes_zero(row, "corrected_low", "corrected_high")


def _association_task(row: Row) -> Cell:
    return text_cell("All tasks", -1.0) if row["task"] == ALL_TASKS else task_cell(row["task"])


LOSSES: Final = TableSpec(
    "loss_differences",
    "Validation loss, mixed tasks against a single task",
    "Validation loss of the run on mixed tasks minus that of the single-task run, in nats per token, at the last "
    "number of rows of the task that both have seen; mean over languages with a 95% interval over them. Positive "
    "values mean that the run on mixed tasks has the higher loss. At equal rows of the task it has taken more "
    "optimizer steps.",
    (
        *CURVE,
        SAMPLES,
        SEED,
        EXPOSURE,
        counts("Rows of the task", "task_rows"),
        estimates("Loss difference", "difference", NumberFormat(3, signed=True)),
    ),
)
GRADIENT_AGREEMENT: Final = TableSpec(
    "gradient_agreement",
    "Gradient agreement",
    "Mean cosine similarity during training between the gradients of two task-language pairs. Corrected: without the "
    "bias towards 0 that gradient noise causes. 95% intervals over languages. Bold: the interval excludes zero.",
    (
        Column("Tasks", lambda row: text_cell(" + ".join(map(task_label, row["mixture"].split("+"))))),
        MODEL,
        TRAINED_ON,
        SAMPLES,
        SEED,
        Column("Compared pairs", lambda row: text_cell(row["relation"], RELATIONS.index(row["relation"]))),
        estimates("Cosine", "cosine", _COSINE, bold=excludes_zero),
        estimates("Corrected", "corrected", _COSINE, "corrected_", _excludes_zero_corrected),
        counts("Comparisons", "n"),
        counts("Steps", "steps"),
    ),
)
ASSOCIATION: Final = TableSpec(
    "association",
    "Gradient agreement and interference",
    "Rank correlation between a task's mean gradient cosine with the other tasks and its outcome, over runs and kinds "
    "of languages. If conflicting gradients caused the interference, it would be negative for the loss and positive "
    "for the score. Bold: the 95% interval excludes zero.",
    (
        Column("Outcome", lambda row: text_cell(_OUTCOMES[row["outcome"]])),
        Column("Task", _association_task),
        estimates("Spearman ρ", "spearman", _COSINE, bold=excludes_zero),
        counts("Cases", "n"),
    ),
)


def mechanism_frames(recorded: Mechanisms) -> dict[str, pd.DataFrame]:
    """Returns the data frames behind figures and tables that have rows, by the names of their CSV files."""
    return {name: frame for name, frame in vars(recorded).items() if len(frame)}


def mechanism_sections(recorded: Mechanisms) -> list[Section]:
    """Returns one section where mixed runs have a single-task twin or measured gradients, else none.

    Args:
        recorded: From `clt_ray.analysis.mechanisms.mechanisms`.
    """
    association = recorded.association
    tables = (
        LOSSES.of(recorded.loss_differences),
        GRADIENT_AGREEMENT.of(recorded.gradient_agreement),
        ASSOCIATION.of(association[association["spearman"].notna()]),
    )
    shown = tuple(table for table in tables if table.rows)
    if not shown:
        return []
    sentences = (_stalled_losses(recorded), _mean_cosines(recorded), _association(recorded))
    statement = " ".join(sentence for sentence in sentences if sentence)
    return [Section(SECTION, "Mechanisms", "Why does mixing tasks help or hurt?", statement, shown)]


def _stalled_losses(recorded: Mechanisms) -> str:
    """Counts the losses that keep falling in the single-task run but not in the run on mixed tasks."""
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
    """States the mean cosines over the mixed runs."""
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
    """States what the correlation over all tasks shows."""
    frame = recorded.association
    rows = frame[(frame["task"] == ALL_TASKS) & (frame["outcome"] == LOSS_DIFFERENCE) & frame["spearman"].notna()]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    if row["high"] < 0:
        return "Tasks whose gradients agree more with those of the other tasks lose less from mixing."
    if row["low"] > 0:
        return "Tasks whose gradients agree more with those of the other tasks lose more from mixing."
    cases = counted(int(row["n"]), "case")
    return f"{cases} cannot show whether tasks whose gradients agree with those of the others lose less from mixing."
