"""The part of the page about what runs recorded while they trained: a sentence or three, and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from clt_ray.analysis.display_order import language_list, natural_sort_key
from clt_ray.analysis.gradient_agreement import RELATIONS, WITHIN_LANGUAGE, WITHIN_TASK
from clt_ray.analysis.loss_trajectories import FALLING
from clt_ray.analysis.mechanisms import ALL_TASKS, INTERFERENCE, LOSS_DIFFERENCE, Mechanisms
from clt_ray.analysis.metrics import task_label, task_order
from clt_ray.report.html_tables import Table, count, curve_cells, quantity, text
from clt_ray.report.mechanism_figures import SECTION
from clt_ray.report.sections import Section
from clt_ray.report.text import counted, number

_OUTCOMES: Final = {
    LOSS_DIFFERENCE: "Loss behind the task alone",
    INTERFERENCE: "Score, mixed − single",
}


def mechanism_frames(found: Mechanisms) -> dict[str, pd.DataFrame]:
    """The frames behind figures and tables, by the names of their CSV files; those without rows are left out."""
    return {name: table for name, table in vars(found).items() if len(table)}


def mechanism_sections(found: Mechanisms) -> list[Section]:
    """One section where there are mixed runs with a twin or with measured gradients, else none.

    Args:
        found: From `clt_ray.analysis.mechanisms.mechanisms`.
    """
    tables = (
        ("Losses, mixed against alone", losses(found.loss_differences)),
        ("Agreement of gradients", agreement(found.gradient_agreement)),
        ("Agreement against interference", association(found.association)),
    )
    shown = tuple((words, table) for words, table in tables if table.rows)
    if not shown:
        return []
    says = " ".join(part for part in (_stalls(found), _agrees(found), _goes_with(found)) if part)
    return [Section(SECTION, "Why does mixing help or hurt?", says, shown)]


def losses(table: pd.DataFrame) -> Table:
    """How far behind its twin every mixed run ended, per task and exposure of languages."""
    rows = []
    for row in table.to_dict("records"):
        behind = quantity(row["difference"], row["low"], row["high"], 1, 3, signed=True)
        about = (*curve_cells(row), count(row["samples_per_language"]), count(row["seed"]), text(row["exposure"]))
        rows.append((*about, count(round(row["task_rows"])), behind))
    caption = (
        "Validation loss of the mixed run minus that of the run on the task alone, at the last rows of the task that "
        "both had seen, in nats per token; mean over languages with a 95% interval over them. Above 0, mixing is "
        "behind. At equal rows, the mixed run has made more updates."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "n", "Seed", "Languages", "Rows of the task", "Loss behind")
    return Table("loss_differences", caption, heads, tuple(rows))


def agreement(table: pd.DataFrame) -> Table:
    """Mean cosines of every run that measured them."""
    rows = []
    for row in table.to_dict("records"):
        trained = row["train_languages"]
        rows.append(
            (
                text(" + ".join(map(task_label, row["mixture"].split("+")))),
                text(row["model"], str(natural_sort_key(row["model"]))),
                text(language_list(trained.split("+")) if trained else "English only"),
                count(row["samples_per_language"]),
                count(row["seed"]),
                text(row["relation"], RELATIONS.index(row["relation"])),
                quantity(row["cosine"], row["low"], row["high"], 1, 2, signed=True, strong=_clear(row, "")),
                quantity(row["corrected"], row["corrected_low"], row["corrected_high"], 1, 2, signed=True,
                         strong=_clear(row, "corrected_")),
                count(row["n"]),
                count(row["steps"]),
            )
        )  # fmt: skip
    caption = (
        "Mean cosine of the gradients of two tasks or languages while a run trained; corrected: without the noise of "
        "gradients over few rows. 95% intervals over languages; bold where they exclude zero."
    )
    heads = ("Tasks", "Model", "Trained on", "n", "Seed", "Pairs of cells", "Cosine", "Corrected", "Pairs", "Steps")
    return Table("gradient_agreement", caption, heads, tuple(rows))


def association(table: pd.DataFrame) -> Table:
    """Rank correlations of agreement with what became of the tasks."""
    rows = []
    for row in table[table["spearman"].notna()].to_dict("records"):
        task = row["task"]
        name = text("All tasks", -1.0) if task == ALL_TASKS else text(task_label(task), task_order(task)[0])
        rho = quantity(row["spearman"], row["low"], row["high"], 1, 2, signed=True, strong=_clear(row, ""))
        rows.append((text(_OUTCOMES[row["outcome"]]), name, rho, count(row["n"])))
    caption = (
        "Rank correlation between a task's mean cosine with the other tasks and its outcome, over runs and kinds of "
        "languages. If gradients that point apart were the cause, it would be negative for the loss and positive for "
        "the score."
    )
    return Table("association", caption, ("Outcome", "Task", "Spearman", "Cells"), tuple(rows))


def _clear(row: Mapping[Any, Any], prefix: str) -> bool:
    return bool(row[f"{prefix}low"] > 0 or row[f"{prefix}high"] < 0)


def _stalls(found: Mechanisms) -> str:
    """Losses that go on falling alone and not in the mixture."""
    turns = found.turning_points
    both = turns[(turns["setting"] == "multi") & turns["alone_course"].notna() & (turns["exposure"] != "unseen")]
    if both.empty:
        return ""
    stalled = int(((both["course"] != FALLING) & (both["alone_course"] == FALLING)).sum())
    of = f"Of {counted(len(both), 'loss', 'losses')} of tasks in languages trained on"
    return f"{of}, {stalled} had stopped falling at the end of the mixture and not alone."


def _agrees(found: Mechanisms) -> str:
    """Mean cosines over the mixed runs."""
    table = found.gradient_agreement
    means = table[table["setting"] == "multi"].groupby("relation")["cosine"].mean()
    if not {WITHIN_TASK, WITHIN_LANGUAGE} <= set(means.index):
        return ""
    task, language = number(float(means[WITHIN_TASK]), 2), number(float(means[WITHIN_LANGUAGE]), 2)
    return (
        f"The gradients of one task in two languages have a mean cosine of {task}, those of two tasks in one language "
        f"{language}."
    )


def _goes_with(found: Mechanisms) -> str:
    """What the correlation over all tasks can say."""
    table = found.association
    rows = table[(table["task"] == ALL_TASKS) & (table["outcome"] == LOSS_DIFFERENCE) & table["spearman"].notna()]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    if row["high"] < 0:
        return "Tasks whose gradients agree more with the others stay less behind."
    if row["low"] > 0:
        return "Tasks whose gradients agree more with the others stay further behind."
    return f"Whether tasks whose gradients agree stay less behind, {counted(int(row['n']), 'case')} cannot say."
